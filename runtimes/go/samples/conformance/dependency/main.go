// Answers with what only the vendored library can know.
package main

import (
	"io"
	"net/http"

	"example.com/letters"
)

// Handle answers.
func Handle(w http.ResponseWriter, r *http.Request) { io.WriteString(w, letters.Name) }
