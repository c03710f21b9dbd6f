// Uses a module from go.mod. It is fetched when the function is built, and kept for the next build.
package main

import "github.com/google/uuid"

// Main gets the input's fields, and what it returns is answered as JSON.
func Main(input map[string]interface{}) (interface{}, error) {
	return map[string]string{"id": uuid.NewString()}, nil
}
