//go:build !unix

package main

import "os/exec"

// Where there are no process groups, only the command itself can be ended.
func inOwnGroup(*exec.Cmd)  {}
func askGroup(c *exec.Cmd)  { _ = c.Process.Kill() }
func killGroup(c *exec.Cmd) { _ = c.Process.Kill() }
