package main

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/rolloutgate/rolloutgate/gate/record"
)

// thisMachine is what this process knows of itself and of its neighbours, from /proc. Where that cannot be read, nothing
// is known, and others wait for its lease to run out.
func thisMachine() record.Here {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, err2 := os.Readlink("/proc/self/ns/pid") // containers have numbers of their own
	if err != nil || err2 != nil {
		return record.Here{}
	}
	id := os.Getpid()
	began, _ := processStarted(id)
	return record.Here{
		Self:    record.Process{Machine: strings.TrimSpace(string(boot)) + " " + space, ID: id, Started: began},
		Started: processStarted,
	}
}

// processStarted is when a process began, in the kernel's own measure; empty when there is none, or when it has ended and
// nobody has asked how: proc(5), fields 3 and 22 of stat. Where the system hides the processes of others, only a signal that
// is not sent tells that there is one.
func processStarted(id int) (when string, known bool) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(id) + "/stat")
	if err != nil {
		return "", errors.Is(syscall.Kill(id, 0), syscall.ESRCH)
	}
	_, rest, ok := strings.Cut(string(data), ") ") // the name before it may hold anything
	for ok && strings.Contains(rest, ") ") {
		_, rest, _ = strings.Cut(rest, ") ")
	}
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", true
	}
	return fields[19], true
}

// endsWithUs has the kernel ask a command to end when this process is killed.
func endsWithUs(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGTERM }
