//go:build !linux

package process

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// identity asks ps, which every Unix has, for the start time of a process.
func identity(pid int) (string, bool) {
	out, err := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output()
	state, start, ok := strings.Cut(strings.TrimSpace(string(out)), " ")
	if err != nil || !ok || strings.HasPrefix(state, "Z") {
		return "", false
	}
	return strings.TrimSpace(start), true
}

// Attributes put a child in a process group of its own. They ignore bound: only
// Linux can tie a process to its parent's life.
func Attributes(group, bound bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: group}
}
