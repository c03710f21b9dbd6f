package handler

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hob/wire"
)

// descriptorVariable says which descriptor leads to the shim.
const descriptorVariable = "HOB_HANDLER"

// Main serves calls until the shim hangs up; it does not return. A program that is started by hand
// runs the user's own main.
func Main(program Program) {
	descriptor, err := strconv.Atoi(os.Getenv(descriptorVariable))
	if err != nil {
		runAlone(program)
		return
	}
	os.Unsetenv(descriptorVariable)
	syscall.CloseOnExec(descriptor)
	server := &server{conn: wire.New(descriptor), program: program}
	server.run()
}

func runAlone(program Program) {
	if program.Run == nil {
		fmt.Fprintln(os.Stderr, "this program answers calls of a Hob worker and has no main of its own")
		os.Exit(2)
	}
	program.Run()
}

type server struct {
	conn    *wire.Conn
	program Program
	answer  Answer
}

func (s *server) run() {
	if s.load() {
		s.conn.Close()
		s.program.Run()
		return
	}
	for {
		frame, err := s.conn.Receive()
		if err != nil || frame.Kind != wire.Invoke {
			os.Exit(0) // the shim has gone
		}
		s.call(frame)
	}
}

// load answers the load frame. True when the user's own main is to go on instead of us.
func (s *server) load() bool {
	started := time.Now()
	frame, err := s.conn.Receive()
	if err != nil {
		os.Exit(0)
	}
	var header wire.LoadHeader
	report := wire.LoadedHeader{OK: true}
	if err := frame.Decode(&header); err != nil {
		os.Exit(0)
	}
	if header.Convention == "event-context" && s.program.isProgram(header.Entry) {
		report.Program = true
	} else if s.answer, err = s.prepare(header); err != nil {
		failure := failureOf(err)
		failure.Kind = wire.LoadFail
		report = wire.LoadedHeader{Error: failure}
	}
	report.DurationUS = time.Since(started).Microseconds()
	if err := s.conn.SendJSON(wire.Loaded, report); err != nil {
		os.Exit(0)
	}
	return report.Program
}

func (s *server) prepare(header wire.LoadHeader) (answer Answer, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = failureOfPanic(value)
		}
	}()
	convention, known := Conventions[header.Convention]
	if !known {
		names := make([]string, 0, len(Conventions))
		for name := range Conventions {
			names = append(names, name)
		}
		sort.Strings(names)
		return nil, loadFailure("ValueError", fmt.Sprintf("this code does not speak the calling convention `%s`; it speaks: %s",
			header.Convention, strings.Join(names, ", ")))
	}
	return s.program.find(header.Entry, convention, header.Function)
}

func (s *server) call(frame wire.Frame) {
	call := &Call{Started: time.Now(), TriggerKind: "http", TriggerName: "http", Status: 200, conn: s.conn}
	if err := frame.Decode(&call.Invoke); err != nil {
		os.Exit(0)
	}
	call.takeTrigger()
	call.Body = body{conn: s.conn, left: append([]byte(nil), frame.Raw...), over: !call.Invoke.Stream}
	failure := s.attempt(call)
	call.Body.spool()
	if failure != nil {
		call.fail(failure)
	} else {
		call.finish()
	}
}

func (s *server) attempt(call *Call) (failure *wire.Failure) {
	defer func() {
		if value := recover(); value != nil {
			failure = failureOfPanic(value)
		}
	}()
	if err := s.answer(call); err != nil {
		return failureOf(err)
	}
	return nil
}

// Call is one call and the answer to it.
type Call struct {
	Invoke      wire.InvokeHeader
	TriggerKind string
	TriggerName string
	Body        body
	Started     time.Time

	Status  int
	Headers [][2]string

	conn      *wire.Conn
	out       []byte
	streaming bool
}

// takeTrigger takes out of the headers what the daemon added for us.
func (c *Call) takeTrigger() {
	kept := c.Invoke.Headers[:0]
	for _, header := range c.Invoke.Headers {
		switch strings.ToLower(header[0]) {
		case "x-hob-trigger-kind":
			c.TriggerKind = header[1]
		case "x-hob-trigger-name":
			c.TriggerName = header[1]
		default:
			kept = append(kept, header)
		}
	}
	c.Invoke.Headers = kept
}

// Reply answers with a whole body.
func (c *Call) Reply(status int, headers [][2]string, body []byte) {
	c.Status, c.Headers, c.out = status, headers, body
	c.write(nil)
}

// write adds to the answer's body, and sends what fills a frame.
func (c *Call) write(data []byte) {
	c.out = append(c.out, data...)
	for len(c.out) > wire.Chunk {
		c.push(c.out[:wire.Chunk])
		c.out = c.out[wire.Chunk:]
	}
}

// flush sends what is there.
func (c *Call) flush() {
	c.push(c.out)
	c.out = nil
}

// push sends a part of a streamed answer. Not before all of the input has been read: so the contract
// has it, one direction after the other.
func (c *Call) push(part []byte) {
	if c.streaming {
		c.send(wire.Body, nil, part)
		return
	}
	c.streaming = true
	c.Body.spool()
	c.send(wire.Reply, c.replyHeader(), part)
}

func (c *Call) finish() {
	if c.streaming {
		c.send(wire.Body, []byte(`{"end":true}`), c.out)
		return
	}
	c.send(wire.Reply, c.replyHeader(), c.out)
}

// fail answers with a failure. Half an answer cannot be taken back: then the process ends, as the
// reader of a half body must see that it is one.
func (c *Call) fail(failure *wire.Failure) {
	if c.streaming {
		fmt.Fprintf(os.Stderr, "failed after a part of the answer was sent: %s\n%s", failure.Message, failure.Traceback)
		os.Exit(2)
	}
	header := wire.ReplyHeader{DurationUS: time.Since(c.Started).Microseconds(), Error: failure}
	if err := c.conn.SendJSON(wire.Reply, header); err != nil {
		os.Exit(0)
	}
}

func (c *Call) send(kind byte, header, raw []byte) {
	if err := c.conn.Send(kind, header, raw); err != nil {
		os.Exit(0)
	}
}

func (c *Call) replyHeader() []byte {
	text := append(make([]byte, 0, 256), `{"status":`...)
	text = strconv.AppendInt(text, int64(c.Status), 10)
	text = append(text, `,"headers":[`...)
	for at, header := range c.Headers {
		if at > 0 {
			text = append(text, ',')
		}
		text = append(text, '[')
		text = appendJSONString(text, header[0])
		text = append(text, ',')
		text = appendJSONString(text, header[1])
		text = append(text, ']')
	}
	text = append(text, `],"stream":`...)
	text = strconv.AppendBool(text, c.streaming)
	text = append(text, `,"duration_us":`...)
	text = strconv.AppendInt(text, time.Since(c.Started).Microseconds(), 10)
	return append(text, '}')
}

// body is the input of a call, read as it comes.
type body struct {
	conn *wire.Conn
	left []byte // has come, and is not read yet
	over bool   // nothing more will come
}

func (b *body) Read(into []byte) (int, error) {
	for len(b.left) == 0 {
		if b.over {
			return 0, io.EOF
		}
		b.receive()
	}
	n := copy(into, b.left)
	b.left = b.left[n:]
	return n, nil
}

func (b *body) Close() error { return nil }

// All returns the rest of the body.
func (b *body) All() []byte {
	b.spool()
	all := b.left
	b.left = nil
	return all
}

// spool waits for the rest of the body and keeps it.
func (b *body) spool() {
	for !b.over {
		b.receive()
	}
}

var endOfBody = errors.New("the shim hung up inside a body")

func (b *body) receive() {
	frame, err := b.conn.Receive()
	var header wire.BodyHeader
	if err == nil {
		err = frame.Decode(&header)
	}
	if err != nil || frame.Kind != wire.Body {
		fmt.Fprintln(os.Stderr, endOfBody)
		os.Exit(0)
	}
	b.left = append(b.left, frame.Raw...)
	b.over = header.End
}
