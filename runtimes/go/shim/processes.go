package main

import (
	"bytes"
	"os"
	"strconv"
)

var oomCounters = []string{"/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"}

// oomKills is how many processes of this container the kernel has killed for want of memory. 0 if unknown.
func oomKills() int {
	for _, path := range oomCounters {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, line := range bytes.Split(text, []byte("\n")) {
			if rest := bytes.TrimPrefix(line, []byte("oom_kill ")); len(rest) < len(line) {
				n, _ := strconv.Atoi(string(bytes.TrimSpace(rest))) // 0 when it is not a number: unknown
				return n
			}
		}
	}
	return 0
}

// process is what /proc says of one.
type process struct{ pid, parent, session int }

// children are those of this process, with those that are dead but not reaped. A process with threads
// may look dead while the last of them still holds its children.
func children() []process {
	directory, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer directory.Close()
	names, _ := directory.Readdirnames(-1) // what was read of them is better than nothing
	me := os.Getpid()
	var found []process
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			if each, there := lookUp(pid); there && each.parent == me {
				found = append(found, each)
			}
		}
	}
	return found
}

// lookUp reads a process's line. Its name, in brackets, may hold anything: look behind the last one.
func lookUp(pid int) (process, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if err != nil || len(fields) < 4 {
		return process{}, false
	}
	parent, badParent := strconv.Atoi(string(fields[1]))
	session, badSession := strconv.Atoi(string(fields[3]))
	return process{pid: pid, parent: parent, session: session}, badParent == nil && badSession == nil
}
