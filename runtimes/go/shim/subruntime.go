package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hob/capture"
	"hob/wire"
)

const (
	startWait = 10 * time.Second // how long a server may take to listen
	startStep = 5 * time.Millisecond
	endWait   = time.Second // for the end of a program that has hung up
	// errorPrefix is what the library writes before the function's own words; the dialect does so too.
	errorPrefix = "An error occured during handler execution: "
)

// subRuntime is a user's program that serves HTTP itself, as Scaleway's library does: it gets the
// event in JSON and answers with the function's raw result, or with 500 and a text.
// Source: the contract's section 3.1.
type subRuntime struct {
	address string
	context eventContext
	client  *http.Client
	program *program
	binary  bool // isBase64Encoded is for what is not text
}

// eventContext is what the function sees as its context.
type eventContext struct {
	MemoryLimitInMb int    `json:"memoryLimitInMb"`
	FunctionName    string `json:"functionName"`
	FunctionVersion string `json:"functionVersion"`
}

// freePort asks the kernel for one: other slots are on the same address.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// waitForServer waits until the program listens. The library's idle connections live for seconds only,
// so each call has one of its own.
func waitForServer(program *program, header wire.LoadHeader) (*subRuntime, error) {
	binary, err := onlyBinary(header)
	if err != nil {
		return nil, err
	}
	server := &subRuntime{
		binary: binary, address: "127.0.0.1:" + strconv.Itoa(program.port), program: program,
		context: eventContext{MemoryLimitInMb: memoryOf(header), FunctionName: header.Function.Name},
		client: &http.Client{
			Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	ticks := time.NewTicker(startStep)
	defer ticks.Stop()
	for deadline := time.Now().Add(startWait); time.Now().Before(deadline); {
		conn, err := net.DialTimeout("tcp", server.address, time.Second)
		if err == nil {
			return server, conn.Close()
		}
		select {
		case status := <-program.ended:
			program.ended <- status
			return nil, program.diedLoading()
		case <-ticks.C:
		}
	}
	syscall.Kill(program.pid, syscall.SIGKILL)
	return nil, wire.NewFailure(wire.LoadFail, "TimeoutError", fmt.Sprintf("the program did not listen on port %d within %v;"+
		" let its main start the function (lambda.Start), or let the entry name an exported function", program.port, startWait),
		program.output.LastWords())
}

// ask makes a call of the program's server.
func (s *slot) ask(frame wire.Frame) error {
	started := time.Now()
	var header wire.InvokeHeader
	if err := frame.Decode(&header); err != nil {
		return err
	}
	if err := wire.CheckLimits(header.TimeoutMS, header.LogLimit); err != nil {
		return err
	}
	s.output.Begin(*header.LogLimit)
	capture.Arm(*header.TimeoutMS)
	body := append([]byte(nil), frame.Raw...)
	body, err := s.restOfBody(body, header.Stream)
	if err != nil {
		return err
	}
	reply, err := s.server.call(header, body)
	duration := time.Since(started).Microseconds()
	var failure *wire.Failure
	if err != nil {
		failure = s.server.failure(err)
	}
	capture.Arm(0)
	s.output.End()
	if failure != nil {
		return s.conn.SendJSON(wire.Reply, wire.ReplyHeader{DurationUS: duration, Error: failure})
	}
	return sendAnswer(s.conn, reply, duration)
}

// restOfBody joins a streamed body: an event is one piece of JSON.
func (s *slot) restOfBody(body []byte, stream bool) ([]byte, error) {
	for stream {
		frame, err := s.conn.Receive()
		if err != nil {
			return nil, errGone
		}
		if frame.Kind != wire.Body {
			return nil, wire.ProtocolError(fmt.Sprintf("frame type %d inside a request body", frame.Kind))
		}
		var header wire.BodyHeader
		if err := frame.Decode(&header); err != nil {
			return nil, err
		}
		body = append(body, frame.Raw...)
		stream = !header.End
	}
	return body, nil
}

// call posts the event and reads the answer.
func (r *subRuntime) call(header wire.InvokeHeader, body []byte) (answer, error) {
	event := eventOf(header, body, r.binary)
	input, refusal := inputOf(event)
	if refusal != nil {
		return *refusal, nil
	}
	call, err := json.Marshal(map[string]any{
		"event": input, "context": r.context, "handlerName": "", "handlerPath": "",
	})
	if err != nil {
		return answer{}, err
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+r.address+"/", bytes.NewReader(call))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	result, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	if response.StatusCode == http.StatusInternalServerError {
		message := strings.TrimPrefix(string(result), errorPrefix)
		return answer{}, wire.NewFailure(wire.Raised, "error", message, "")
	}
	if event.Headers[triggerHeader] == messageTrigger {
		// Nobody waits for what the function makes of a message.
		return asIs([]byte("executed properly")), nil
	}
	return answerOf(result)
}

// failure says what a call's error means. A connection that ends without an answer is a panic: the
// library's server has printed it, and goes on. Or the program is ending, and we with it, shortly.
func (r *subRuntime) failure(err error) *wire.Failure {
	var own *wire.Failure
	if errors.As(err, &own) {
		return own
	}
	message, stack := panicIn(r.program.output.LastWords())
	if stack == "" {
		time.Sleep(endWait)
		message = "the program gave no answer: " + err.Error() + "; see what it printed"
	}
	return wire.NewFailure(wire.Raised, "panic", message, stack)
}

// panicIn finds what the standard library's server prints when a handler panics.
func panicIn(printed string) (message, stack string) {
	at := strings.LastIndex(printed, "http: panic serving ")
	if at < 0 {
		return "", ""
	}
	first, rest, _ := strings.Cut(printed[at:], "\n")
	_, message, _ = strings.Cut(strings.TrimPrefix(first, "http: panic serving "), ": ")
	return message, "panic: " + message + "\n" + withoutLibrary(rest)
}

// withoutLibrary leaves out the frames of the standard library and of the one that called the function.
func withoutLibrary(stack string) string {
	var kept []string
	lines := strings.Split(strings.TrimRight(stack, "\n"), "\n")
	for at := 0; at < len(lines); at++ {
		line := lines[at]
		if strings.HasPrefix(line, "goroutine ") {
			kept = append(kept, line)
		} else if at+1 < len(lines) && strings.HasPrefix(lines[at+1], "\t") {
			if !isLibrary(line) {
				kept = append(kept, line, lines[at+1])
			}
			at++
		}
	}
	return strings.Join(kept, "\n") + "\n"
}

func isLibrary(line string) bool {
	for _, prefix := range []string{"net/http.", "created by net/http.", "panic(", "reflect.", "runtime.",
		"github.com/scaleway/scaleway-functions-go/"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}
