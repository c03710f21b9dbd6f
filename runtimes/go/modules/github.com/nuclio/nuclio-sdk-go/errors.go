package nuclio

import (
	"errors"
	"net/http"
)

// WithStatusCode is an error that says which status answers it.
type WithStatusCode interface {
	StatusCode() int
}

// ErrorWithStatusCode is an error that is answered with a status of its own.
type ErrorWithStatusCode struct {
	cause  error
	status int
}

// StatusCode returns the status.
func (e *ErrorWithStatusCode) StatusCode() int { return e.status }

// GetError returns what the error was made of, nil if nothing.
func (e *ErrorWithStatusCode) GetError() error { return e.cause }

// Error returns the message, by default the status in words.
func (e ErrorWithStatusCode) Error() string {
	if e.cause != nil {
		return e.cause.Error()
	}
	return http.StatusText(e.status)
}

// Unwrap returns what the error was made of.
func (e ErrorWithStatusCode) Unwrap() error { return e.cause }

// NewErrorWithStatusCode returns an error with this message and status.
func NewErrorWithStatusCode(message string, status int) error {
	return WrapErrorWithStatusCode(errors.New(message), status)
}

// WrapErrorWithStatusCode gives an error a status.
func WrapErrorWithStatusCode(err error, status int) error {
	return &ErrorWithStatusCode{cause: err, status: status}
}
