package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// machine is what the figures depend on.
type machine struct {
	cores  int
	model  string
	memory int64 // bytes; 0: unknown
	system string
	load   string // of the last minute before
}

// describe reads what Linux tells; elsewhere it says less.
func describe() machine {
	m := machine{cores: runtime.NumCPU(), system: runtime.GOOS + "/" + runtime.GOARCH}
	m.model = field("/proc/cpuinfo", "model name")
	if kib, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		m.memory = kib << 10
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.load, _, _ = strings.Cut(string(load), " ")
	}
	return m
}

func (m machine) String() string {
	text := fmt.Sprintf("%d cores", m.cores)
	if m.model != "" {
		text += " (" + m.model + ")"
	}
	if m.memory > 0 {
		text += fmt.Sprintf(", %.0f GiB", float64(m.memory)/(1<<30))
	}
	text += ", " + m.system
	if m.load != "" {
		text += ", load " + m.load + " before"
	}
	return text
}

// field is the first value of a key in a file of "key: value" lines.
func field(path, key string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		k, v, _ := strings.Cut(line, ":")
		if strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
