// Answers HTTP, as any http.HandlerFunc does.
package main

import (
	"encoding/json"
	"io"
	"net/http"
)

// Handle answers one request.
func Handle(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		answer(w, http.StatusCreated, map[string]interface{}{"received": string(body)})
		return
	}
	query := map[string]string{}
	for name := range r.URL.Query() {
		query[name] = r.URL.Query().Get(name)
	}
	answer(w, http.StatusOK, map[string]interface{}{"path": r.URL.Path, "query": query})
}

func answer(w http.ResponseWriter, status int, value interface{}) {
	w.Header().Set("content-type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}
