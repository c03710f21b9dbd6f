package handler

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hob/capture"
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
	server := &server{shim: wire.New(descriptor), program: program}
	server.run()
}

func runAlone(program Program) {
	if program.Run == nil {
		fmt.Fprintln(os.Stderr, "this program answers calls of a Hob worker and has no main of its own")
		os.Exit(2)
	}
	program.Run()
}

// protocolError is the exit code for a frame that the contract does not allow.
const protocolError = 70

type server struct {
	shim       *wire.Conn
	daemon     *wire.Conn
	output     *capture.Output
	deadline   *capture.Deadline
	complaints int
	program    Program
	answer     Answer
}

func (s *server) run() {
	if s.load() {
		s.shim.Close()
		s.program.Run()
		return
	}
	s.takeOver()
	for {
		frame, err := s.daemon.Receive()
		if err == nil && frame.Kind != wire.Invoke {
			err = wire.ProtocolError(fmt.Sprintf("frame type %d where an invoke may come", frame.Kind))
		}
		if err == nil {
			err = s.call(frame)
		}
		if err != nil {
			s.end(err)
		}
	}
}

// takeOver waits until the shim gives us the daemon's connection.
func (s *server) takeOver() {
	daemon, given, err := s.shim.ReceiveHandOver()
	if err != nil {
		os.Exit(0) // the entry was not found, or the shim has gone
	}
	s.shim.Close()
	state, err := capture.OpenState(given.State)
	if err != nil {
		s.end(err)
	}
	if s.deadline, err = capture.NewDeadline(state); err != nil {
		s.end(err)
	}
	s.daemon, s.complaints = daemon, given.Complaints
	s.output = capture.New(daemon, state, [2]int{given.Stdout, given.Stderr})
	if err := s.output.Start(); err != nil {
		s.end(err)
	}
}

// end ends the process: with the connection, or because of what came over it.
func (s *server) end(err error) {
	var wrong wire.ProtocolError
	if errors.As(err, &wrong) {
		fmt.Fprintf(os.NewFile(uintptr(s.complaints), "complaints"), "hob shim: protocol error: %v\n", err)
		os.Exit(protocolError)
	}
	os.Exit(0)
}

// load answers the load frame. True when the user's own main is to go on instead of us.
func (s *server) load() bool {
	started := time.Now()
	frame, err := s.shim.Receive()
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
	if err := s.shim.SendJSON(wire.Loaded, report); err != nil {
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

// call answers one call. The kernel ends this process at the deadline, whatever it is doing then.
func (s *server) call(frame wire.Frame) error {
	call := &Call{Started: time.Now(), TriggerKind: "http", TriggerName: "http", Status: 200, server: s}
	if err := frame.Decode(&call.Invoke); err != nil {
		return err
	}
	if err := wire.CheckLimits(call.Invoke.TimeoutMS, call.Invoke.LogLimit); err != nil {
		return err
	}
	call.takeTrigger()
	call.Body = body{server: s, left: append([]byte(nil), frame.Raw...), over: !call.Invoke.Stream}
	s.output.Begin(*call.Invoke.LogLimit)
	s.deadline.Arm(*call.Invoke.TimeoutMS)
	failure := s.attempt(call)
	call.Body.spool()
	if failure != nil && call.streaming {
		breakOff(failure)
	}
	s.deadline.Disarm()
	s.output.End()
	if failure != nil {
		call.fail(failure)
	} else {
		call.finish()
	}
	return nil
}

// send sends a frame to the daemon. If we die in it then the shim says no more.
func (s *server) send(kind byte, header, raw []byte) {
	if err := s.daemon.Send(kind, header, raw); err != nil {
		os.Exit(0)
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

	server    *server
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

// breakOff ends the process: half an answer cannot be taken back, and its reader must see what it is.
func breakOff(failure *wire.Failure) {
	fmt.Fprintf(os.Stderr, "failed after a part of the answer was sent: %s\n%s", failure.Message, failure.Traceback)
	os.Exit(2)
}

func (c *Call) fail(failure *wire.Failure) {
	header := wire.ReplyHeader{DurationUS: time.Since(c.Started).Microseconds(), Error: failure}
	text, err := json.Marshal(header)
	if err != nil { // texts and a number always can be said
		panic(err)
	}
	c.send(wire.Reply, text, nil)
}

func (c *Call) send(kind byte, header, raw []byte) { c.server.send(kind, header, raw) }

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
	server *server
	left   []byte // has come, and is not read yet
	over   bool   // nothing more will come
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

func (b *body) receive() {
	frame, err := b.server.daemon.Receive()
	var header wire.BodyHeader
	if err == nil && frame.Kind != wire.Body {
		err = wire.ProtocolError(fmt.Sprintf("frame type %d inside a request body", frame.Kind))
	}
	if err == nil {
		err = frame.Decode(&header)
	}
	if err != nil {
		b.server.end(err)
	}
	b.left = append(b.left, frame.Raw...)
	b.over = header.End
}
