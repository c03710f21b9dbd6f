// Runs on a schedule: hob.toml says when. `hob runs list` shows each run, `hob logs` what it printed.
package main

import (
	"fmt"
	"time"
)

// Main gets the input's fields, and what it returns is answered as JSON.
func Main(input map[string]interface{}) (interface{}, error) {
	what, given := input["what"].(string)
	if !given {
		what = "tidied up"
	}
	at := time.Now().UTC().Format(time.RFC3339)
	fmt.Println(what, "at", at)
	return map[string]string{"done": what, "at": at}, nil
}
