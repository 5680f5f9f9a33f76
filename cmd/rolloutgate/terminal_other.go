//go:build !unix

package main

import "os"

// terminalSignals are none: what a terminal is like is asked for each picture.
func terminalSignals() (signals <-chan os.Signal, release func()) { return nil, func() {} }

func resizes(os.Signal) bool { return true }

func suspend(os.Signal) {}

func inForeground(*os.File) bool { return true }
