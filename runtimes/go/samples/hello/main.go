// The smallest useful function: greets whom it is told to.
package main

import "fmt"

// Main takes {"name": "Ada"}; the entry is `Main`, the convention `kwargs`.
func Main(input map[string]interface{}) (interface{}, error) {
	name, given := input["name"].(string)
	if !given {
		name = "World"
	}
	fmt.Println("greeting", name)
	return "Hello, " + name + "!", nil
}
