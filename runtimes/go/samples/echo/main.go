// Answers what it was given, in each of the shapes that a function may have.
package main

import (
	"io"
	"net/http"

	"github.com/nuclio/nuclio-sdk-go"
)

// Main is for the convention `kwargs`: JSON in, JSON out; a plain text as it is.
func Main(input map[string]interface{}) (interface{}, error) {
	if text, only := input["__function_input"]; only && len(input) == 1 {
		return text, nil
	}
	return input, nil
}

// Handle is for the convention `event-context`: the request's body is the answer's.
func Handle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	io.Copy(w, r.Body)
}

// Handler is for the convention `context-event`.
func Handler(context *nuclio.Context, event nuclio.Event) (interface{}, error) {
	return nuclio.Response{ContentType: event.GetContentType(), Body: event.GetBody()}, nil
}
