package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"unicode/utf8"

	"hob/wire"
)

// event is a request as Scaleway's functions see it.
// Source: the contract's section 3.3; a repeated header or parameter has its last value.
type event struct {
	Resource        string            `json:"resource"`
	Path            string            `json:"path"`
	HTTPMethod      string            `json:"httpMethod"`
	Headers         map[string]string `json:"headers"`
	MultiHeaders    *struct{}         `json:"multiValueHeaders"`
	Query           map[string]string `json:"queryStringParameters"`
	MultiQuery      *struct{}         `json:"multiValueQueryStringParameters"`
	PathParameters  *struct{}         `json:"pathParameters"`
	StageVariables  map[string]string `json:"stageVariables"`
	RequestContext  requestContext    `json:"requestContext"`
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded,omitempty"`
}

type requestContext struct {
	AccountID    string    `json:"accountId"`
	ResourceID   string    `json:"resourceId"`
	Stage        string    `json:"stage"`
	RequestID    string    `json:"requestId"`
	ResourcePath string    `json:"resourcePath"`
	Authorizer   *struct{} `json:"authorizer"`
	HTTPMethod   string    `json:"httpMethod"`
	APIID        string    `json:"apiId"`
}

func eventOf(header wire.InvokeHeader, body []byte, onlyBinary bool) event {
	e := event{
		Path: pathOf(header.Path), HTTPMethod: header.Method, Headers: map[string]string{}, Query: map[string]string{},
		StageVariables: map[string]string{}, RequestContext: requestContext{HTTPMethod: header.Method},
	}
	for _, each := range header.Headers {
		name := http.CanonicalHeaderKey(each[0])
		if name != "Host" && name != "X-Hob-Trigger-Kind" && name != "X-Hob-Trigger-Name" {
			e.Headers[name] = each[1]
		}
	}
	values, _ := url.ParseQuery(header.Query) // what can be read of a faulty one is used
	for name, each := range values {
		e.Query[name] = each[len(each)-1]
	}
	e.Body, e.IsBase64Encoded = bodyOf(body, onlyBinary)
	return e
}

// triggerHeader says what triggered a call, in the form in which event has it; without it: HTTP.
// Source: the contract's section 3.5.
const (
	triggerHeader  = "Scw_trigger_type"
	messageTrigger = "mqtt"
)

// inputOf is what the program gets: the event or, of a message, its text; an answer is for a trigger that
// there is not.
func inputOf(e event) (any, *answer) {
	switch e.Headers[triggerHeader] {
	case "":
		return e, nil
	case messageTrigger:
		return e.Body, nil
	}
	refusal := withUsual(answer{
		status:  http.StatusBadRequest,
		headers: [][2]string{{"X-Content-Type-Options", "nosniff"}},
		body:    []byte("Trigger Type is not supported by Scaleway Functions Runtime\n"),
	})
	return nil, &refusal
}

func pathOf(path string) string {
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}

// base64Variable is `binary` where isBase64Encoded is to be true for what is not text, and for nothing
// else; or `decodable`, as it has always been upstream.
const base64Variable = "HOB_IS_BASE64"

// bodyOf says bytes as text, and whether isBase64Encoded is said of it.
//
// Quirk: upstream says so of any text that happens to be base64, an empty one too, and puts a
// replacement character for each byte that is not UTF-8. The first is kept, for functions that were
// written with it; the second only loses data, so such bodies arrive as base64.
func bodyOf(body []byte, onlyBinary bool) (string, bool) {
	if !utf8.Valid(body) {
		return base64.StdEncoding.EncodeToString(body), true
	}
	_, err := base64.StdEncoding.DecodeString(string(body))
	return string(body), err == nil && !onlyBinary
}

// onlyBinary reads base64Variable, the function's or this process's.
func onlyBinary(header wire.LoadHeader) (bool, error) {
	value, set := header.Env[base64Variable]
	if !set {
		value = os.Getenv(base64Variable)
	}
	switch value {
	case "binary":
		return true, nil
	case "", "decodable":
		return false, nil
	}
	return false, fmt.Errorf("%s is %q; it must be `binary` or `decodable`", base64Variable, value)
}
