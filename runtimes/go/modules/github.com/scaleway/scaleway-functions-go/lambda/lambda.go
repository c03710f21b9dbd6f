// Package lambda serves a function to Scaleway's runtime: JSON over HTTP on a port of this machine.
// Written for Hob from the protocol's description; a vendored original is used instead of it.
package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"reflect"
)

const defaultPort = "8081"

var (
	contextType = reflect.TypeOf((*context.Context)(nil)).Elem()
	errorType   = reflect.TypeOf((*error)(nil)).Elem()
)

// Handler answers one event; both are JSON.
type Handler interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Start serves the function for ever. It may take a context and an event, either or none, and return
// a result and an error, an error alone, or nothing.
func Start(handler interface{}) { StartHandler(NewHandler(handler)) }

// StartHandler serves a handler for ever.
func StartHandler(handler Handler) {
	port := os.Getenv("SCW_UPSTREAM_PORT")
	if port == "" {
		port = defaultPort
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { serve(handler, w, r) })
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, mux))
}

func serve(handler Handler, w http.ResponseWriter, r *http.Request) {
	result, err := answer(handler, r)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		result = []byte(err.Error())
	}
	if _, err := w.Write(result); err != nil {
		log.Printf("the answer could not be written: %v", err)
	}
}

func answer(handler Handler, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("the request could not be read: %w", err)
	}
	var request struct{ Event json.RawMessage }
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, fmt.Errorf("Unable to parse Request body: %w", err) //nolint:revive // the runtime's text
	}
	result, err := handler.Invoke(r.Context(), request.Event)
	if err != nil {
		return nil, fmt.Errorf("An error occured during handler execution: %w", err) //nolint:revive // the runtime's text
	}
	return result, nil
}

type function struct {
	value reflect.Value
	fault error
}

// NewHandler makes a handler of a function. One in a wrong form answers with what is wrong.
func NewHandler(handler interface{}) Handler {
	value := reflect.ValueOf(handler)
	if value.Kind() != reflect.Func {
		return function{fault: fmt.Errorf("the handler is a %T, not a function", handler)}
	}
	return function{value: value, fault: faultOf(value.Type())}
}

func faultOf(form reflect.Type) error {
	switch {
	case form.NumIn() > 2:
		return errors.New("the handler takes more than a context and an event")
	case form.NumIn() == 2 && !form.In(0).Implements(contextType):
		return errors.New("the handler's first argument of two is not a context")
	case form.NumOut() > 2:
		return errors.New("the handler returns more than a result and an error")
	case form.NumOut() > 0 && !form.Out(form.NumOut()-1).Implements(errorType):
		return errors.New("the handler's last result is not an error")
	}
	return nil
}

// Invoke calls the function.
func (f function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if f.fault != nil {
		return nil, f.fault
	}
	arguments, err := f.arguments(ctx, payload)
	if err != nil {
		return nil, err
	}
	results := f.value.Call(arguments)
	if n := len(results); n > 0 && !results[n-1].IsNil() {
		return nil, results[n-1].Interface().(error)
	}
	if len(results) < 2 {
		return json.Marshal(nil)
	}
	return json.Marshal(results[0].Interface())
}

func (f function) arguments(ctx context.Context, payload []byte) ([]reflect.Value, error) {
	var arguments []reflect.Value
	for at := 0; at < f.value.Type().NumIn(); at++ {
		if f.value.Type().In(at).Implements(contextType) {
			arguments = append(arguments, reflect.ValueOf(ctx))
			continue
		}
		event := reflect.New(f.value.Type().In(at))
		if err := json.Unmarshal(payload, event.Interface()); err != nil {
			return nil, err
		}
		arguments = append(arguments, event.Elem())
	}
	return arguments, nil
}
