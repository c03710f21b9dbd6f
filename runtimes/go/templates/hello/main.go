// Greets whom it is told to. Try: hob invoke NAME -d '{"name": "Ada"}'
package main

import "fmt"

// Main gets the input's fields, and what it returns is answered as JSON.
func Main(input map[string]interface{}) (interface{}, error) {
	name, given := input["name"].(string)
	if !given {
		name = "World"
	}
	fmt.Println("greeting", name)
	return map[string]string{"hello": name}, nil
}
