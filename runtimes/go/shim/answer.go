package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"strconv"

	"hob/wire"
)

// answer is what a caller gets.
type answer struct {
	status  int
	headers [][2]string
	body    []byte
}

// envelope is a result that says more than a body. All fields are raw: each may be of any type.
type envelope struct {
	StatusCode      json.RawMessage            `json:"statusCode"`
	Headers         map[string]json.RawMessage `json:"headers"`
	Body            json.RawMessage            `json:"body"`
	IsBase64Encoded bool                       `json:"isBase64Encoded"`
}

// answerOf normalises the bytes of a program's result by the contract's one rule (section 3.7): an
// object with a numeric statusCode or a body is an envelope, as is a string that holds such an object
// with a statusCode; everything else is sent as it is.
func answerOf(result []byte) (answer, error) {
	var text string
	if json.Unmarshal(result, &text) == nil {
		if wrapped, is := envelopeIn([]byte(text)); is && wrapped.status() != 0 {
			return wrapped.open()
		}
		return asIs([]byte(text)), nil
	}
	if wrapped, is := envelopeIn(result); is && (wrapped.status() != 0 || wrapped.Body != nil) {
		return wrapped.open()
	}
	if bytes.Equal(bytes.TrimSpace(result), []byte("null")) {
		result = nil
	}
	return asIs(result), nil
}

func asIs(body []byte) answer { return withUsual(answer{status: http.StatusOK, body: body}) }

// corsHeaders let pages of other origins read what a function answers, unless it has said otherwise.
// Source: the contract's section 3.5.
var corsHeaders = [][2]string{{"Access-Control-Allow-Origin", "*"}, {"Access-Control-Allow-Headers", "Content-Type"}}

// withUsual adds what is there unless the function has said otherwise: the type of a body is found by its
// first bytes.
func withUsual(a answer) answer {
	for _, usual := range corsHeaders {
		if !a.says(usual[0]) {
			a.headers = append(a.headers, usual)
		}
	}
	if len(a.body) > 0 && !a.says("Content-Type") {
		a.headers = append(a.headers, [2]string{"Content-Type", http.DetectContentType(a.body)})
	}
	return a
}

func (a answer) says(name string) bool {
	for _, header := range a.headers {
		if http.CanonicalHeaderKey(header[0]) == name {
			return true
		}
	}
	return false
}

func envelopeIn(text []byte) (envelope, bool) {
	var found envelope
	trimmed := bytes.TrimSpace(text)
	return found, len(trimmed) > 0 && trimmed[0] == '{' && json.Unmarshal(trimmed, &found) == nil
}

// status is the statusCode as a number, or as digits in a string; 0 if it is neither.
func (e envelope) status() int {
	number, err := strconv.Atoi(string(bytes.Trim(e.StatusCode, `"`)))
	if err != nil {
		return 0
	}
	return number
}

func (e envelope) open() (answer, error) {
	a := answer{status: e.status()}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.status < 100 || a.status > 599 {
		return a, wire.NewFailure(wire.NotJSON, "ValueError", fmt.Sprintf("statusCode is %d; it must be from 100 to 599", a.status), "")
	}
	a.headers = headersOf(e.Headers)
	a.body = plain(e.Body)
	if e.IsBase64Encoded {
		body, err := base64.StdEncoding.DecodeString(string(a.body))
		if err != nil {
			return a, wire.NewFailure(wire.NotJSON, "ValueError", "isBase64Encoded is true, but the body is not base64: "+err.Error(), "")
		}
		a.body = body
	}
	return withUsual(a), nil
}

// headersOf says scalars as text, and an array as several headers.
func headersOf(raw map[string]json.RawMessage) [][2]string {
	var headers [][2]string
	for name, value := range raw {
		var several []json.RawMessage
		if json.Unmarshal(value, &several) != nil {
			several = []json.RawMessage{value}
		}
		for _, each := range several {
			headers = append(headers, [2]string{name, string(plain(each))})
		}
	}
	sort.SliceStable(headers, func(i, j int) bool { return headers[i][0] < headers[j][0] })
	return headers
}

// plain is a string without its quotes, and anything else as its JSON text.
func plain(raw json.RawMessage) []byte {
	var text string
	if json.Unmarshal(raw, &text) == nil && len(raw) > 0 && raw[0] == '"' {
		return []byte(text)
	}
	return raw
}

// sendAnswer sends the reply, a long one in parts.
func sendAnswer(conn *wire.Conn, a answer, durationUS int64) error {
	header, err := json.Marshal(wire.ReplyHeader{
		Status: a.status, Headers: a.headers, Stream: len(a.body) > wire.Chunk, DurationUS: durationUS,
	})
	if err != nil {
		return err
	}
	part, rest := cutChunk(a.body)
	err = conn.Send(wire.Reply, header, part)
	for err == nil && len(rest) > 0 {
		part, rest = cutChunk(rest)
		end := []byte(nil)
		if len(rest) == 0 {
			end = []byte(`{"end":true}`)
		}
		err = conn.Send(wire.Body, end, part)
	}
	return err
}

func cutChunk(body []byte) (part, rest []byte) {
	if len(body) > wire.Chunk {
		return body[:wire.Chunk], body[wire.Chunk:]
	}
	return body, nil
}
