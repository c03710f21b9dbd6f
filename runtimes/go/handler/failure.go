package handler

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"hob/wire"
)

// failureOf turns what a function returned as an error into the failure of a reply.
func failureOf(err error) *wire.Failure {
	var own *wire.Failure
	if errors.As(err, &own) {
		return own
	}
	return wire.NewFailure(wire.Raised, fmt.Sprintf("%T", err), text(err), "")
}

// failureOfPanic must be called in the deferred function that recovered `value`: it looks at the stack.
func failureOfPanic(value any) *wire.Failure {
	of, message := "panic", ""
	switch value := value.(type) {
	case error:
		of, message = fmt.Sprintf("%T", value), text(value)
	default:
		message = fmt.Sprint(value)
	}
	return wire.NewFailure(wire.Raised, of, message, "panic: "+message+"\n"+userStack())
}

func text(err error) (message string) {
	defer func() {
		if recover() != nil {
			message = "(the error cannot be printed)"
		}
	}()
	return err.Error()
}

// userStack is the stack of this goroutine, the user's frames only, in the form that Go prints.
func userStack() string {
	counters := make([]uintptr, 100)
	frames := runtime.CallersFrames(counters[:runtime.Callers(2, counters)])
	var stack strings.Builder
	for {
		frame, more := frames.Next()
		if isUsers(frame) {
			fmt.Fprintf(&stack, "%s(...)\n\t%s:%d\n", frame.Function, frame.File, frame.Line)
		}
		if !more {
			return stack.String()
		}
	}
}

// kit is the import path of what Hob adds to the program, found from this package's own name.
var kit = func() string {
	counter, _, _, _ := runtime.Caller(0)
	name := runtime.FuncForPC(counter).Name()
	return name[:strings.LastIndex(name, "/handler.")+1]
}()

func isUsers(frame runtime.Frame) bool {
	for _, ours := range []string{"runtime.", "reflect.", "runtime/", kit} {
		if strings.HasPrefix(frame.Function, ours) {
			return false
		}
	}
	return frame.Function != "main.main"
}
