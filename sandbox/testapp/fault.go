package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// crash is how this process is to end: a panic does not return, everything else is an exit with a code.
func crash(cfg config) error {
	if text, ok := strings.CutPrefix(cfg.crash, "panic: "); ok {
		panic(text)
	}
	message := cfg.crash
	if message == "" {
		message = fmt.Sprintf("exiting with code %d", cfg.exitCode)
	}
	return exit{cfg.exitCode, message}
}

// crashesNow decides whether this start is one that crashes, and counts it when CRASH_TIMES asks for counting.
func (cfg config) crashesNow() (bool, error) {
	if !cfg.crashes || cfg.crashTimes == 0 {
		return cfg.crashes, nil
	}
	starts, err := countStart(filepath.Join(cfg.stateDir, "starts"))
	if err != nil {
		return false, fmt.Errorf("counting starts for CRASH_TIMES (mount an emptyDir at %s): %w", cfg.stateDir, err)
	}
	return starts <= cfg.crashTimes, nil
}

// countStart adds one to the number in the file and returns the new number; a missing file holds zero.
func countStart(file string) (int, error) {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	n := 0
	if text := strings.TrimSpace(string(old)); text != "" {
		if n, err = strconv.Atoi(text); err != nil {
			return 0, err
		}
	}
	n++
	return n, os.WriteFile(file, []byte(strconv.Itoa(n)+"\n"), 0o644)
}

// held keeps what grow allocated reachable; nothing reads it.
var held [][]byte

// grow allocates the memory in steps and writes to every page: memory that nobody wrote to costs nothing, and no limit
// would ever be hit.
func grow(megabytes int, after time.Duration) {
	if megabytes == 0 {
		return
	}
	time.Sleep(after)
	log.Printf("loading %d MB into memory", megabytes)
	const step = 4
	for done := 0; done < megabytes; done += step {
		block := make([]byte, step<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		held = append(held, block)
		time.Sleep(5 * time.Millisecond)
	}
	log.Printf("loaded %d MB", megabytes)
}
