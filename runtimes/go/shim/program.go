package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"hob/capture"
	"hob/wire"
)

// programDescriptor is the number of the program's end of the connection to us.
const programDescriptor = 3

// program is the user's program, running.
type program struct {
	pid  int
	conn *wire.Conn
	port int

	output *capture.Output
	pipes  pipes

	lock   sync.Mutex
	ended  chan syscall.WaitStatus // while it loads: its end
	mirror bool                    // from then on its end is ours
}

// depsDirectory is where the image has what was built.
func depsDirectory() string {
	if other := os.Getenv("HOB_DEPS"); other != "" {
		return other
	}
	return "/opt/hob/deps"
}

// executable is the program for an entry: of the directory it names, or of the top.
func executable(entry string) (string, error) {
	deps := depsDirectory()
	place := strings.Trim(filepath.ToSlash(filepath.Clean("/"+strings.ReplaceAll(entry, ":", "/"))), "/")
	for _, place := range []string{place, strings.TrimSuffix(place, filepath.Ext(place)), filepath.Dir(place)} {
		if place == "" || place == "." {
			continue
		}
		path := filepath.Join(deps, "programs", place)
		if text, err := os.ReadFile(filepath.Join(path, "error.txt")); err == nil {
			return "", wire.NewFailure(wire.LoadFail, "BuildError", "the program in `"+place+"` could not be compiled", string(text))
		}
		if _, err := os.Stat(filepath.Join(path, "handler")); err == nil {
			return filepath.Join(path, "handler"), nil
		}
	}
	path := filepath.Join(deps, "handler")
	if _, err := os.Stat(path); err != nil {
		return "", wire.NewFailure(wire.LoadFail, "FileNotFoundError", "no program is there for the entry `"+entry+
			"`: the code has to be built first; let the entry name an exported function, or a directory with a package main", "")
	}
	return path, nil
}

// startProgram starts it and hands it the load frame; what it says to that is returned.
func startProgram(frame wire.Frame, header wire.LoadHeader, output *capture.Output, pipes pipes) (*program, wire.LoadedHeader, error) {
	var report wire.LoadedHeader
	path, err := executable(header.Entry)
	if err != nil {
		return nil, report, err
	}
	port, err := freePort()
	if err != nil {
		return nil, report, err
	}
	p := &program{port: port, ended: make(chan syscall.WaitStatus, 1), output: output, pipes: pipes}
	if err := p.launch(path, header); err != nil {
		return nil, report, err
	}
	go p.watch()
	if p.conn.Send(wire.Load, frame.Header, nil) != nil {
		return nil, report, p.diedLoading()
	}
	answer, err := p.conn.Receive()
	if err != nil || answer.Kind != wire.Loaded {
		return nil, report, p.diedLoading()
	}
	return p, report, answer.Decode(&report)
}

func (p *program) launch(path string, header wire.LoadHeader) error {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	p.conn = wire.New(pair[0])
	defer syscall.Close(pair[1])
	if _, err := os.Stat(header.Path); err != nil {
		return fmt.Errorf("the code is not at %s: %w; let the image have it there, or mount it", header.Path, err)
	}
	out := p.pipes.writers
	p.pid, err = syscall.ForkExec(path, []string{path}, &syscall.ProcAttr{
		Dir: header.Path, Env: environment(header, path, p.port),
		Files: []uintptr{0, uintptr(out[0]), uintptr(out[1]), uintptr(pair[1])},
	})
	syscall.Close(out[0])
	syscall.Close(out[1])
	return err
}

// environment is ours, what the convention's own runtime sets, then the user's. The root is read-only
// and the user has no home: /tmp is the one place to write to.
func environment(header wire.LoadHeader, path string, port int) []string {
	set := conventional(header, path)
	set["HOME"], set["TMPDIR"] = "/tmp", "/tmp"
	for _, each := range os.Environ() {
		if key, value, _ := strings.Cut(each, "="); !strings.HasPrefix(key, "HOB_") || key == "HOB_LOG_LEVEL" {
			if _, ours := set[key]; !ours {
				set[key] = value
			}
		}
	}
	for key, value := range header.Env {
		set[key] = value
	}
	delete(set, base64Variable)
	set["HOB_HANDLER"] = strconv.Itoa(programDescriptor)
	if header.Convention == "event-context" {
		set["SCW_UPSTREAM_HOST"], set["SCW_UPSTREAM_PORT"] = "http://127.0.0.1", strconv.Itoa(port)
	}
	list := make([]string, 0, len(set))
	for key, value := range set {
		list = append(list, key+"="+value)
	}
	return list
}

// conventional are variables that functions find in the runtimes that the conventions come from.
// Source: the tables in the contracts' sections 3.1 (event-context) and 12.8 (context-event).
func conventional(header wire.LoadHeader, path string) map[string]string {
	switch header.Convention {
	case "event-context":
		return map[string]string{
			"SCW_HANDLER_IS_BINARY": "true", "SCW_HANDLER_PATH": path, "SCW_APPLICATION_NAME": header.Function.Name,
			"SCW_APPLICATION_MEMORY": strconv.Itoa(memoryOf(header)),
		}
	case "context-event":
		version := "latest"
		if header.Function.Version != 0 {
			version = strconv.Itoa(header.Function.Version)
		}
		return map[string]string{
			"NUCLIO_HANDLER": header.Entry, "NUCLIO_FUNCTION_HANDLER": header.Entry, "NUCLIO_FUNCTION_NAME": header.Function.Name,
			"NUCLIO_FUNCTION_VERSION": version, "NUCLIO_FUNCTION_DESCRIPTION": "",
		}
	}
	return map[string]string{}
}

func memoryOf(header wire.LoadHeader) int {
	if header.Function.MemoryMiB > 0 {
		return header.Function.MemoryMiB
	}
	return 128
}

// diedLoading explains a program that ended before it said that it is loaded.
func (p *program) diedLoading() error {
	status := <-p.ended
	if status.Signaled() {
		p.follow(status) // a deadline or want of memory: the supervisor says which
	}
	p.output.End()
	return wire.NewFailure(wire.LoadFail, "SystemExit", fmt.Sprintf(
		"the program ended with exit code %d while it started; see what it printed", status.ExitStatus()), p.output.LastWords())
}

// watch waits for the program's end, whatever else is going on.
func (p *program) watch() {
	status, err := bury(p.pid)
	if err != nil {
		syscall.Exit(internalError)
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	p.conn.Hangup() // a child of it may hold the other end
	if p.mirror {
		p.follow(status)
	}
	p.ended <- status
}

// mayEnd makes the program's end ours from now on.
func (p *program) mayEnd() {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.mirror = true
	select {
	case status := <-p.ended:
		p.follow(status)
	default:
	}
}

// follow ends this process as the program has ended, after its last words.
func (p *program) follow(status syscall.WaitStatus) {
	p.output.Finish()
	if !status.Signaled() {
		syscall.Exit(status.ExitStatus())
	}
	signal := status.Signal()
	if signal == syscall.SIGKILL && p.pipes.standing.Passed() {
		signal = syscall.SIGALRM
	}
	syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	capture.DefaultAction(signal)
	syscall.Kill(os.Getpid(), signal)
	select {} // it comes at once
}

// handOver gives the program the daemon's connection and all that belongs to it, and waits for its end.
func (p *program) handOver(conn *wire.Conn, report wire.LoadedHeader) error {
	readers := p.output.Readers()
	message := wire.HandOver{Stdout: readers[0], Stderr: readers[1], State: p.pipes.state, Complaints: syscall.Stderr}
	if err := p.conn.SendHandOver(conn, message); err != nil {
		select {} // it has ended, and `follow` ends us
	}
	if err := conn.SendJSON(wire.Loaded, report); err != nil {
		return errGone
	}
	select {}
}
