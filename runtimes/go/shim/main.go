// Command shim is what runs in a worker: the supervisor as PID 1, and each slot.
//
//	supervisor  keeps the slots alive, reaps, reports how they ended
//	processes   what the supervisor knows of other processes: /proc, groups, the out-of-memory counter
//	system      the system calls that the standard library has no names for
//	slot        one process with one call in flight; starts the user's program and stands before it
//	program     the user's program: where it is, how it is started, how its end becomes the slot's
//	output      everything printed, on its way to the daemon
//	subruntime  programs that are a server of their own (Scaleway's library), with event and answer
//	standalone  the same without a daemon: HTTP on a port
//
// User code never runs in this program: it is a process of its own, built by ../build. The shim speaks
// frames to it, so that what it prints last, and how it ends, is known whatever it does.
package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"hob/wire"
)

// Exit codes, near those of sysexits.h.
const (
	noDaemon      = 69
	protocolError = 70
	internalError = 71
)

func main() {
	address, token, number := take("HOB_DIAL"), take("HOB_TOKEN"), take("HOB_SLOT")
	debug.SetGCPercent(400) // little lives long here
	switch {
	case number != "":
		os.Exit(runSlot(address, token, number))
	case address == "":
		os.Exit(runAlone())
	default:
		os.Exit(runSupervisor(address, token, systemSignals()))
	}
}

// take removes a variable from the environment, so that user code does not see it.
func take(name string) string {
	value := os.Getenv(name)
	os.Unsetenv(name)
	return value
}

// complain says why this process ends. It goes to the engine's log.
func complain(who string, err error) int {
	code := exitCode(err)
	words := map[int]string{noDaemon: "cannot go on", protocolError: "protocol error", internalError: "internal error"}
	fmt.Fprintf(os.Stderr, "hob shim%s: %s: %v\n", who, words[code], err)
	return code
}

func exitCode(err error) int {
	var wrong wire.ProtocolError
	var system syscall.Errno
	var network net.Error
	switch {
	case errors.As(err, &wrong):
		return protocolError
	case errors.As(err, &system), errors.As(err, &network):
		return noDaemon
	}
	return internalError
}

// dial connects to `unix:PATH` or `tcp:HOST:PORT`.
func dial(address string) (*wire.Conn, error) {
	scheme, rest, _ := strings.Cut(address, ":")
	if (scheme != "unix" && scheme != "tcp") || rest == "" {
		return nil, &net.AddrError{Err: "HOB_DIAL must be unix:PATH or tcp:HOST:PORT", Addr: strconv.Quote(address)}
	}
	conn, err := net.Dial(scheme, rest)
	if err != nil {
		return nil, err
	}
	return blocking(conn)
}

// blocking takes over a connection of the standard library.
func blocking(conn net.Conn) (*wire.Conn, error) {
	defer conn.Close()
	file, err := conn.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	fd, err := duplicate(int(file.Fd())) // Fd makes it blocking, as package wire wants it
	if err != nil {
		return nil, err
	}
	return wire.New(fd), nil
}
