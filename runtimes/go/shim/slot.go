package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"hob/capture"
	"hob/wire"
)

// slot is one process with one call in flight. It loads the code by starting the user's program. A
// program with our part in it then takes over the connection and answers calls itself, and the slot
// only waits to end as it does; for one that is a server of its own (subruntime) the slot stays between.
// It does not report its own death; the supervisor does.
type slot struct {
	conn   *wire.Conn
	output *capture.Output
	server *subRuntime
}

// errGone says that the daemon has hung up.
var errGone = errors.New("the daemon has hung up")

// runSlot dials the daemon, says hello and serves until it hangs up. The exit code is returned.
func runSlot(address, token, name string) int {
	capture.DefaultAction(syscall.SIGALRM)
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
		if frame.Kind != wire.Invoke || s.server == nil {
			return wire.ProtocolError(fmt.Sprintf("frame type %d where an invoke may come", frame.Kind))
		}
		if err := s.ask(frame); err != nil {
			return err
		}
	}
}

// load answers the load frame. It does not return once a program has taken over.
func (s *slot) load() error {
	frame, err := s.conn.Receive()
	if err != nil {
		return err
	}
	if frame.Kind != wire.Load {
		return wire.ProtocolError(fmt.Sprintf("frame type %d before the code was loaded", frame.Kind))
	}
	var header wire.LoadHeader
	if err := frame.Decode(&header); err != nil {
		return err
	}
	if err := wire.CheckLimits(header.TimeoutMS, header.LogLimit); err != nil {
		return err
	}
	started := time.Now()
	pipes, err := s.capture()
	if err != nil {
		return err
	}
	s.output.Begin(*header.LogLimit)
	capture.Arm(*header.TimeoutMS)
	program, report := s.start(frame, header, pipes)
	capture.Arm(0)
	if program != nil && s.server == nil {
		s.output.Stop()
	}
	s.output.End()
	report.DurationUS = time.Since(started).Microseconds()
	if program != nil && s.server == nil {
		return program.handOver(s.conn, report)
	}
	return s.conn.SendJSON(wire.Loaded, report)
}

// pipes are what the program prints to, and how its output stands.
type pipes struct {
	writers  [2]int
	state    int // the file of `standing`
	standing *capture.State
}

func (s *slot) capture() (pipes, error) {
	fd, state, err := capture.NewState()
	if err != nil {
		return pipes{}, err
	}
	readers, writers, err := capture.Pipes()
	if err != nil {
		return pipes{}, err
	}
	s.output = capture.New(s.conn, state, readers)
	return pipes{writers: writers, state: fd, standing: state}, s.output.Start()
}

// start starts the user's program and lets it find its entry. The program is nil when that failed.
func (s *slot) start(frame wire.Frame, header wire.LoadHeader, pipes pipes) (*program, wire.LoadedHeader) {
	program, report, err := startProgram(frame, header, s.output, pipes)
	if err == nil && report.Program {
		s.server, err = waitForServer(program, header)
	}
	if err != nil {
		return nil, wire.LoadedHeader{Error: loadFailure(err)}
	}
	report.Program = false
	if !report.OK {
		return nil, report
	}
	program.mayEnd()
	return program, report
}

func loadFailure(err error) *wire.Failure {
	var own *wire.Failure
	if errors.As(err, &own) {
		return own
	}
	return wire.NewFailure(wire.LoadFail, "OSError", err.Error(), "")
}
