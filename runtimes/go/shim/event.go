package main

import (
	"encoding/base64"
	"net/http"
	"net/url"
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

func eventOf(header wire.InvokeHeader, body []byte) event {
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
	e.Body, e.IsBase64Encoded = bodyOf(body)
	return e
}

func pathOf(path string) string {
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}

// bodyOf says bytes as text. The flag is for bytes that are no text: upstream sets it for every text
// that happens to look like base64 and encodes nothing, a trap that the contract advises to leave out.
func bodyOf(body []byte) (string, bool) {
	if utf8.Valid(body) {
		return string(body), false
	}
	return base64.StdEncoding.EncodeToString(body), true
}
