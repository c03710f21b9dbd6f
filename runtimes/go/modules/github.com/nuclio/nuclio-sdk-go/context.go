// Package nuclio has the names that Nuclio functions use, so that they build where no module proxy can
// be reached. Written for Hob; a vendored original is used instead of it. It holds what a function
// handles, nothing of the processor around it.
package nuclio

import "github.com/nuclio/logger"

// DataBinding is a client of a configured data source. There are none here; the map is empty.
type DataBinding interface {
	GetContextObject() (interface{}, error)
}

// Context lives as long as the worker does.
type Context struct {
	// Logger writes to the log of the call.
	Logger logger.Logger
	// DataBinding is empty: data bindings are not offered.
	DataBinding map[string]DataBinding
	// WorkerID tells the workers of a function apart.
	WorkerID int
	// UserData is the function's own, nil at first.
	UserData interface{}

	FunctionName    string
	FunctionVersion int
	TriggerName     string
	TriggerKind     string
}

// Response is an answer with everything that can be said of one.
type Response struct {
	StatusCode  int
	ContentType string
	Headers     map[string]interface{}
	Body        []byte
}
