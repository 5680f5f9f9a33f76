package main

import (
	"os"
	"strconv"
	"strings"

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
	return record.Here{
		Self:    record.Process{Machine: strings.TrimSpace(string(boot)) + " " + space, ID: id, Started: processStarted(id)},
		Started: processStarted,
	}
}

// processStarted is when a process began, in the kernel's own measure; empty when there is none, or when it has ended and
// nobody has asked how: proc(5), fields 3 and 22 of stat.
func processStarted(id int) string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(id) + "/stat")
	if err != nil {
		return ""
	}
	_, rest, ok := strings.Cut(string(data), ") ") // the name before it may hold anything
	for ok && strings.Contains(rest, ") ") {
		_, rest, _ = strings.Cut(rest, ") ")
	}
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return fields[19]
}
