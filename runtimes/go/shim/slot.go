package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"hob/wire"
)

// slot is one process with one call in flight. It ends with the connection, with its deadline (the
// kernel's SIGALRM), or as the user's program does. It does not report its own death; the supervisor does.
type slot struct {
	conn    *wire.Conn
	output  *output
	program *program
	server  *subRuntime // nil: the program speaks frames
}

// errGone says that the daemon has hung up.
var errGone = errors.New("the daemon has hung up")

// runSlot dials the daemon, says hello and serves until it hangs up. The exit code is returned.
func runSlot(address, token, name string) int {
	defaultAction(syscall.SIGALRM)
	preferMeWhenMemoryIsShort()
	err := serveSlot(address, token, name)
	if err == nil || errors.Is(err, errGone) || errors.Is(err, io.EOF) {
		return 0
	}
	return complain(", slot "+name, err)
}

// preferMeWhenMemoryIsShort lets the kernel kill a slot and never PID 1. The program inherits it.
func preferMeWhenMemoryIsShort() {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) // not in a container: only a cause is lost
}

func serveSlot(address, token, name string) error {
	number, err := strconv.Atoi(name)
	if err != nil {
		return err
	}
	conn, err := dial(address)
	if err != nil {
		return err
	}
	err = conn.SendJSON(wire.Hello, map[string]any{
		"protocol": wire.Protocol, "role": "slot", "token": token, "slot": number,
	})
	if err != nil {
		return err
	}
	s := &slot{conn: conn}
	if err := s.load(); err != nil {
		return err
	}
	for {
		frame, err := s.conn.Receive()
		if err != nil {
			return err
		}
		if frame.Kind != wire.Invoke || s.program == nil {
			return wire.ProtocolError(fmt.Sprintf("frame type %d where an invoke may come", frame.Kind))
		}
		if err := s.call(frame); err != nil {
			return err
		}
	}
}

// Loading.

func (s *slot) load() error {
	frame, err := s.conn.Receive()
	if err != nil {
		return err
	}
	if frame.Kind != wire.Load {
		return wire.ProtocolError(fmt.Sprintf("frame type %d before the code was loaded", frame.Kind))
	}
	var header wire.LoadHeader
	if err := decodeCall(frame, &header, &header.TimeoutMS, &header.LogLimit); err != nil {
		return err
	}
	started := time.Now()
	if s.output, err = newOutput(s.conn); err != nil {
		return err
	}
	s.output.begin(*header.LogLimit)
	arm(*header.TimeoutMS)
	report := s.start(frame, header)
	arm(0)
	s.output.end()
	report.DurationUS = time.Since(started).Microseconds()
	return s.conn.SendJSON(wire.Loaded, report)
}

// decodeCall reads a header and checks the numbers that every call must have.
func decodeCall(frame wire.Frame, header any, timeout, limit **int64) error {
	if err := frame.Decode(header); err != nil {
		return err
	}
	if *timeout == nil || **timeout < 0 || *limit == nil || **limit < 0 {
		return wire.ProtocolError("`timeout_ms` and `log_limit` must be whole numbers")
	}
	return nil
}

// start starts the user's program and lets it find its entry.
func (s *slot) start(frame wire.Frame, header wire.LoadHeader) wire.LoadedHeader {
	program, report, err := startProgram(frame, header, s.output)
	if err == nil && report.Program {
		s.server, err = waitForServer(program, header)
	}
	if err != nil {
		return wire.LoadedHeader{Error: loadFailure(err)}
	}
	report.Program = false
	if report.OK {
		s.program = program
		program.mayEnd(s.output)
	}
	return report
}

func loadFailure(err error) *wire.Failure {
	var own *wire.Failure
	if errors.As(err, &own) {
		return own
	}
	return wire.NewFailure(wire.LoadFail, "OSError", err.Error(), "")
}

// Calling.

func (s *slot) call(frame wire.Frame) error {
	var header struct {
		TimeoutMS *int64 `json:"timeout_ms"`
		LogLimit  *int64 `json:"log_limit"`
		Stream    bool   `json:"stream"`
	}
	if err := decodeCall(frame, &header, &header.TimeoutMS, &header.LogLimit); err != nil {
		return err
	}
	s.output.begin(*header.LogLimit)
	arm(*header.TimeoutMS)
	if s.server != nil {
		return s.ask(frame)
	}
	if err := s.forwardCall(frame, header.Stream); err != nil {
		return err
	}
	return s.forwardReply()
}

// forwardCall hands the invoke frame on as it is, and the body behind it.
func (s *slot) forwardCall(frame wire.Frame, stream bool) error {
	s.program.send(frame)
	return s.eachPart(stream, func(part wire.Frame) { s.program.send(part) })
}

// eachPart receives the frames of a streamed body.
func (s *slot) eachPart(stream bool, use func(wire.Frame)) error {
	for stream {
		frame, err := s.conn.Receive()
		if err != nil {
			return errGone
		}
		var header wire.BodyHeader
		if frame.Kind != wire.Body {
			return wire.ProtocolError(fmt.Sprintf("frame type %d inside a request body", frame.Kind))
		}
		if err := frame.Decode(&header); err != nil {
			return err
		}
		use(frame)
		stream = !header.End
	}
	return nil
}

// forwardReply hands the program's answer on. All that was printed goes before its last frame.
func (s *slot) forwardReply() error {
	for {
		frame := s.program.receive()
		last, err := isLast(frame)
		if err != nil {
			return err
		}
		if last {
			arm(0)
			s.output.end()
		}
		if err := s.conn.Send(frame.Kind, frame.Header, frame.Raw); err != nil {
			return errGone
		}
		if last {
			return nil
		}
	}
}

func isLast(frame wire.Frame) (bool, error) {
	var header struct{ Stream, End bool }
	if err := frame.Decode(&header); err != nil {
		return false, err
	}
	switch frame.Kind {
	case wire.Reply:
		return !header.Stream, nil
	case wire.Body:
		return header.End, nil
	}
	return false, wire.ProtocolError(fmt.Sprintf("frame type %d from the program", frame.Kind))
}
