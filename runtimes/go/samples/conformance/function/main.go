// What the conformance suite asks of a language, once for each calling convention.
//
// The last part of the path says what to do; where there is no path, the input's field `do`.
package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"time"

	"github.com/nuclio/nuclio-sdk-go"
)

const released = "/tmp/released"

// Main is for `kwargs`: the input is the answer.
func Main(input map[string]interface{}) (interface{}, error) {
	do, _ := input["do"].(string)
	n := fmt.Sprint(input["n"])
	return input, act(do, n, nil)
}

// Handle is for `event-context`: the body is the answer's, as it came.
func Handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	switch do := path.Base(r.URL.Path); do {
	case "stream":
		stream(w)
	case "headers":
		w.Header().Set("x-answer", r.Header.Get("X-Question"))
		w.Header().Set("Content-Type", "text/x-told")
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, "told")
	default:
		if err := act(do, r.URL.Query().Get("n"), body); err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(body)
	}
}

// Handler is for `context-event`: the same.
func Handler(context *nuclio.Context, event nuclio.Event) (interface{}, error) {
	do := path.Base(event.GetPath())
	if do == "headers" {
		answer := map[string]interface{}{"x-answer": event.GetHeaderString("X-Question")}
		return nuclio.Response{StatusCode: 201, ContentType: "text/x-told", Headers: answer, Body: []byte("told")}, nil
	}
	if err := act(do, event.GetFieldString("n"), event.GetBody()); err != nil {
		return nil, err
	}
	return nuclio.Response{ContentType: "application/octet-stream", Body: event.GetBody()}, nil
}

func act(do, n string, body []byte) error {
	switch do {
	case "echo":
	case "say":
		if body == nil {
			body = []byte("grüße")
		}
		fmt.Printf("%s\n", body)
	case "child":
		fmt.Println("from the function")
		child := exec.Command("sh", "-c", "echo from a child; echo and its errors >&2")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		return child.Run()
	case "raise":
		return errors.New("as asked")
	case "exit":
		os.Exit(3)
	case "hang":
		select {}
	case "memory":
		grow()
	case "meet":
		return meet(n)
	case "release":
		return os.WriteFile(released, nil, 0o644)
	default:
		return fmt.Errorf("nobody can do %q", do)
	}
	return nil
}

func grow() {
	for kept := [][]byte{}; ; {
		piece := make([]byte, 8<<20)
		for at := range piece {
			piece[at] = 'x'
		}
		kept = append(kept, piece)
	}
}

// meet waits for two others: it comes back only if three calls run at the same time in one worker.
func meet(n string) error {
	if err := os.WriteFile("/tmp/met-"+n, nil, 0o644); err != nil {
		return err
	}
	waitFor(func() bool {
		met, _ := filepath.Glob("/tmp/met-*")
		return len(met) >= 3
	})
	return nil
}

// stream writes half of the answer before anybody has called `release`, the rest after.
func stream(w http.ResponseWriter) {
	io.WriteString(w, "first\n")
	w.(http.Flusher).Flush()
	waitFor(func() bool {
		_, err := os.Stat(released)
		return err == nil
	})
	io.WriteString(w, "last\n")
}

func waitFor(condition func() bool) {
	for !condition() {
		time.Sleep(5 * time.Millisecond)
	}
}
