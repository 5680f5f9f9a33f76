//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// inOwnGroup puts a command, and all that it begins, into a process group of its own: a terminal's signals do not reach
// it, and one signal reaches all of it.
func inOwnGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endsWithUs(c.SysProcAttr)
}

// askGroup asks a command to end, and killGroup ends it.
func askGroup(c *exec.Cmd)  { _ = syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
func killGroup(c *exec.Cmd) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
