package main

import (
	"fmt"
	"testing"

	"hob/wire"
)

// The table of the contract's section 3.7, by its one rule.
func TestResultsBecomeAnswers(t *testing.T) {
	const cors = "[Access-Control-Allow-Origin *] [Access-Control-Allow-Headers Content-Type]"
	const text = cors + " [Content-Type text/plain; charset=utf-8]"
	const binary = cors + " [Content-Type application/octet-stream]"
	for _, each := range []struct{ result, want string }{
		{`{"statusCode":201,"body":"x"}`, "201 [" + text + "] x"},
		{`{"statusCode":"201","body":"x"}`, "201 [" + text + "] x"},
		{`{"statusCode":204}`, "204 [" + cors + "] "},
		{`{"body":{"message":"hi"}}`, "200 [" + text + `] {"message":"hi"}`},
		{`{"body":5}`, "200 [" + text + "] 5"},
		{`{"body":null}`, "200 [" + text + "] null"},
		{`{"message":"hi"}`, "200 [" + text + `] {"message":"hi"}`},
		{`"{\"statusCode\":201,\"body\":\"x\"}"`, "201 [" + text + "] x"},
		{`"{\"body\":\"x\"}"`, "200 [" + text + `] {"body":"x"}`},
		{`"plain"`, "200 [" + text + "] plain"},
		{`not JSON`, "200 [" + text + "] not JSON"},
		{`[1,2]`, "200 [" + text + "] [1,2]"},
		{`null`, "200 [" + cors + "] "},
		{``, "200 [" + cors + "] "},
		{`{"body":"/w==","isBase64Encoded":true}`, "200 [" + text + "] \xff"},
		{`{"body":"AAEC","isBase64Encoded":true}`, "200 [" + binary + "] \x00\x01\x02"},
		{`{"headers":{"access-control-allow-origin":"a"},"body":""}`,
			"200 [[access-control-allow-origin a] [Access-Control-Allow-Headers Content-Type]] "},
		{`{"statusCode":200,"headers":{"content-type":"a/b","x":[1,"2"],"y":true}}`, "200 [[content-type a/b] [x 1] [x 2] [y true] " + cors + "] "},
	} {
		got, err := answerOf([]byte(each.result))
		if said := fmt.Sprintf("%d %v %s", got.status, got.headers, got.body); err != nil || said != each.want {
			t.Errorf("%s\n got %q, %v\nwant %q", each.result, said, err, each.want)
		}
	}
}

func TestResultsThatCannotBeAnswered(t *testing.T) {
	for _, result := range []string{`{"statusCode":99,"body":""}`, `{"statusCode":600}`, `{"body":"%","isBase64Encoded":true}`} {
		_, err := answerOf([]byte(result))
		if failure, is := err.(*wire.Failure); !is || failure.Kind != wire.NotJSON {
			t.Errorf("%s: %v", result, err)
		}
	}
}

func TestAPanicIsFoundInWhatTheServerPrinted(t *testing.T) {
	const printed = "before\n2026/11/21 16:00:00 http: panic serving 127.0.0.1:5: stop: now\ngoroutine 7 [running]:\n" +
		"net/http.(*conn).serve.func1()\n\t/net/http/server.go:1850 +0xbf\npanic({0x6, 0x7})\n\t/runtime/panic.go:890 +0x262\n" +
		"main.Handler({0x0})\n\t/fn/main.go:20 +0x1\ncreated by net/http.(*Server).Serve\n\t/net/http/server.go:3102 +0x4db\n"
	message, stack := panicIn(printed)
	if message != "stop: now" || stack != "panic: stop: now\ngoroutine 7 [running]:\nmain.Handler({0x0})\n\t/fn/main.go:20 +0x1\n" {
		t.Errorf("%q %q", message, stack)
	}
	if message, stack := panicIn("nothing"); message != "" || stack != "" {
		t.Errorf("%q %q", message, stack)
	}
}

func TestBodiesAreSaidAsText(t *testing.T) {
	for _, each := range []struct {
		body, text     string
		flag, onBinary bool
	}{
		{"abcd", "abcd", true, false}, {"", "", true, false}, {"hello", "hello", false, false}, {"\xff", "/w==", true, true},
	} {
		for binary, want := range map[bool]bool{false: each.flag, true: each.onBinary} {
			if got := eventOf(wire.InvokeHeader{}, []byte(each.body), binary); got.Body != each.text || got.IsBase64Encoded != want {
				t.Errorf("%q, %v: %q, %v", each.body, binary, got.Body, got.IsBase64Encoded)
			}
		}
	}
}
