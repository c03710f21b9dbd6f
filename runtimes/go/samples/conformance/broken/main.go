// Handle cannot be compiled.
package main

import "net/http"

// Handle says what nobody has told it.
func Handle(w http.ResponseWriter, r *http.Request) { w.Write(nobody) }
