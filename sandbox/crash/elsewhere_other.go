//go:build !linux

package main

import (
	"errors"
	"os/exec"
)

// elsewhere needs the name spaces of Linux.
func elsewhere(*exec.Cmd) error {
	return errors.New("to run as on another machine needs Linux")
}
