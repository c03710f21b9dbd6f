package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"hob/wire"
)

// programDescriptor is the number of the program's end of the connection to us.
const programDescriptor = 3

// program is the user's program, running.
type program struct {
	pid  int
	conn *wire.Conn
	port int

	lock   sync.Mutex
	ended  chan syscall.WaitStatus // while it loads: its end
	mirror bool                    // from then on its end is ours
	output *output
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
func startProgram(frame wire.Frame, header wire.LoadHeader, output *output) (*program, wire.LoadedHeader, error) {
	var report wire.LoadedHeader
	path, err := executable(header.Entry)
	if err != nil {
		return nil, report, err
	}
	port, err := freePort()
	if err != nil {
		return nil, report, err
	}
	p := &program{port: port, ended: make(chan syscall.WaitStatus, 1), output: output}
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
	out := p.output.writers
	p.pid, err = syscall.ForkExec(path, []string{path}, &syscall.ProcAttr{
		Dir: header.Path, Env: environment(header, p.port),
		Files: []uintptr{0, uintptr(out[0]), uintptr(out[1]), uintptr(pair[1])},
	})
	syscall.Close(out[0])
	syscall.Close(out[1])
	return err
}

// environment is ours, what Scaleway's runtime sets, then the user's. The root is read-only and the
// user has no home: /tmp is the one place to write to.
// Source: the contract's section 3.1, table of variables.
func environment(header wire.LoadHeader, port int) []string {
	set := map[string]string{
		"HOME": "/tmp", "TMPDIR": "/tmp",
		"HOB_HANDLER":       strconv.Itoa(programDescriptor),
		"SCW_UPSTREAM_HOST": "http://127.0.0.1", "SCW_UPSTREAM_PORT": strconv.Itoa(port),
		"SCW_HANDLER_IS_BINARY": "true", "SCW_APPLICATION_NAME": header.Function.Name,
		"SCW_APPLICATION_MEMORY": strconv.Itoa(memoryOf(header)),
	}
	for key, value := range header.Env {
		if key != "HOB_HANDLER" && key != "SCW_UPSTREAM_PORT" {
			set[key] = value
		}
	}
	var list []string
	for _, each := range os.Environ() {
		key, _, _ := strings.Cut(each, "=")
		if _, again := set[key]; !again && key != "HOB_DEPS" {
			list = append(list, each)
		}
	}
	for key, value := range set {
		list = append(list, key+"="+value)
	}
	return list
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
	p.output.end()
	return wire.NewFailure(wire.LoadFail, "SystemExit", fmt.Sprintf(
		"the program ended with exit code %d while it started; see what it printed", status.ExitStatus()), p.output.lastWords())
}

// watch waits for the program's end, whatever else is going on.
func (p *program) watch() {
	status, err := bury(p.pid)
	if err != nil {
		syscall.Exit(internalError)
	}
	p.lock.Lock()
	mirror := p.mirror
	p.ended <- status
	p.lock.Unlock()
	if mirror {
		p.follow(status)
	}
}

// mayEnd makes the program's end ours from now on.
func (p *program) mayEnd(output *output) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.mirror = true
	select {
	case status := <-p.ended:
		go p.follow(status)
	default:
	}
}

// follow ends this process as the program has ended, after its last words.
func (p *program) follow(status syscall.WaitStatus) {
	p.output.end()
	if !status.Signaled() {
		syscall.Exit(status.ExitStatus())
	}
	signal := status.Signal()
	syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	defaultAction(signal)
	syscall.Kill(os.Getpid(), signal)
	select {} // it comes at once
}

// send hands a frame on. A program that cannot take it is about to be reported as ended.
func (p *program) send(frame wire.Frame) {
	if p.conn.Send(frame.Kind, frame.Header, frame.Raw) != nil {
		p.waitForEnd()
	}
}

func (p *program) receive() wire.Frame {
	frame, err := p.conn.Receive()
	if err != nil {
		p.waitForEnd()
	}
	return frame
}

// waitForEnd is for when the program has closed its connection to us: it has ended, and `follow` ends
// us, or it goes on without us, until the deadline.
func (p *program) waitForEnd() { select {} }
