// Package nuclio speaks the convention context-event: it is put into programs whose code imports
// Nuclio's SDK, and built against the SDK that the code has. So it uses only what all versions have.
package nuclio

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"

	nuclio "github.com/nuclio/nuclio-sdk-go"

	"hob/handler"
	"hob/wire"
)

const (
	levelVariable  = "HOB_LOG_LEVEL"
	plainText      = "text/plain; charset=utf-8"
	logLevelHeader = "x-nuclio-log-level"
	logsHeader     = "x-nuclio-logs"
	logsLimit      = 4096 // bytes of that header, from which on the real server leaves it out
)

type entryPoint = func(*nuclio.Context, nuclio.Event) (interface{}, error)

func init() {
	handler.Conventions["context-event"] = handler.Convention{
		Form:  "func(*nuclio.Context, nuclio.Event) (interface{}, error)",
		Usual: "Handler", Prepare: prepare,
	}
}

// prepare calls InitContext, where the function's package has one: once for each slot, before any call.
func prepare(function handler.Function, program handler.Program, about wire.About) (handler.Answer, error) {
	handle, fits := function.Value.(entryPoint)
	if !fits {
		return nil, nil
	}
	log := &log{level: levelOf(os.Getenv(levelVariable))}
	os.Unsetenv(levelVariable)
	context := &nuclio.Context{
		Logger: &logger{log: log}, DataBinding: map[string]nuclio.DataBinding{},
		FunctionName: about.Name, FunctionVersion: about.Version,
	}
	for _, other := range program.Functions {
		if other.Dir == function.Dir && other.Name == "InitContext" {
			if err := initContext(other.Value, context); err != nil {
				return nil, fmt.Errorf("InitContext failed: %w", err)
			}
		}
	}
	return func(call *handler.Call) error {
		context.TriggerName = call.TriggerName
		event := newEvent(call)
		log.begin(event.GetHeaderString(logLevelHeader), event.has(logLevelHeader))
		result, err := handle(context, event)
		return reply(call, log, result, err)
	}, nil
}

func initContext(function interface{}, context *nuclio.Context) error {
	switch function := function.(type) {
	case func(*nuclio.Context) error:
		return function(context)
	case func(*nuclio.Context):
		function(context)
		return nil
	}
	return fmt.Errorf("it is a %T; it must be func(*nuclio.Context) error", function)
}

// reply follows the contract's section 12.10. An error that names a status is an answer, any other is
// a failure.
func reply(call *handler.Call, log *log, result interface{}, err error) error {
	if err != nil {
		status := statusOf(err)
		if status == 0 {
			return err
		}
		respond(call, log, &nuclio.Response{StatusCode: status, Body: []byte(err.Error())})
		return nil
	}
	switch result := result.(type) {
	case nil:
		respond(call, log, &nuclio.Response{})
	case string:
		respond(call, log, &nuclio.Response{Body: []byte(result)})
	case []byte:
		respond(call, log, &nuclio.Response{Body: result})
	case nuclio.Response:
		respond(call, log, &result)
	case *nuclio.Response:
		respond(call, log, result)
	default:
		text, err := jsonOf(result)
		if err != nil {
			return wire.NewFailure(wire.NotJSON, "TypeError",
				fmt.Sprintf("the result is not JSON: %v; return a string, []byte or nuclio.Response", err), "")
		}
		respond(call, log, &nuclio.Response{ContentType: "application/json", Body: text})
	}
	return nil
}

func statusOf(err error) int {
	var byValue nuclio.ErrorWithStatusCode
	if errors.As(err, &byValue) {
		return byValue.StatusCode()
	}
	var any nuclio.WithStatusCode
	if errors.As(err, &any) {
		return any.StatusCode()
	}
	return 0
}

// respond lets ContentType win over a header of that name, as the real server does.
func respond(call *handler.Call, log *log, response *nuclio.Response) {
	status, kind := response.StatusCode, response.ContentType
	if status == 0 {
		status = http.StatusOK
	}
	headers := [][2]string{}
	for name, value := range response.Headers {
		if http.CanonicalHeaderKey(name) == "Content-Type" {
			if text, is := value.(string); is && kind == "" {
				kind = text
			}
			continue
		}
		switch value := value.(type) {
		case string:
			headers = append(headers, [2]string{name, value})
		case []byte:
			headers = append(headers, [2]string{name, string(value)})
		case int:
			headers = append(headers, [2]string{name, strconv.Itoa(value)})
		}
	}
	if kind == "" {
		kind = plainText
	}
	headers = append(headers, [2]string{"Content-Type", kind})
	if records := log.records(); records != "" && len(records) < logsLimit {
		headers = append(headers, [2]string{logsHeader, records})
	}
	call.Reply(status, headers, response.Body)
}
