// @nuclio.configure
//
// function.yaml:
//   spec:
//     description: Answers with a greeting.
//     handler: hello:Handler
//     runtime: golang

package main

import "github.com/nuclio/nuclio-sdk-go"

// Handler greets whom the body names.
func Handler(context *nuclio.Context, event nuclio.Event) (interface{}, error) {
	name := string(event.GetBody())
	if name == "" {
		name = "world"
	}
	context.Logger.InfoWith("Greeted somebody", "name", name)
	return "Hello, " + name + "!", nil
}
