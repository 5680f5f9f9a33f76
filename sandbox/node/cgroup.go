package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const cgroupMount = "/sys/fs/cgroup"

// cgroupRoots are the directories below which control groups are made: one a hierarchy with version 1, one in all with
// version 2. A machine may have both at once; then those of version 1 count, but runc makes groups in the other too.
func cgroupRoots() (v1, v2 []string, err error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, nil, err
	}
	v1, v2 = parseCgroupRoots(string(mounts))
	return v1, v2, nil
}

func parseCgroupRoots(mounts string) (v1, v2 []string) {
	for line := range strings.Lines(mounts) {
		f := strings.Fields(line)
		if len(f) < 3 || !strings.HasPrefix(f[1], cgroupMount) {
			continue
		}
		switch f[2] {
		case "cgroup":
			v1 = append(v1, f[1])
		case "cgroup2":
			v2 = append(v2, f[1])
		}
	}
	return v1, v2
}

// makeCgroup makes the group that the kubelet puts all pods below. A root of its own, and not the usual /kubepods,
// keeps two nodes apart and lets removeCgroup remove everything.
func makeCgroup(name string) error {
	roots, v2, err := cgroupRoots()
	if err != nil {
		return err
	}
	if len(roots) == 0 {
		roots = v2
	}
	for _, root := range roots {
		dir := filepath.Join(root, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making control group: %w", err)
		}
		// A new cpuset of version 1 is empty, and nothing may run in it; version 2 inherits.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if value, err := os.ReadFile(filepath.Join(root, file)); err == nil {
				if err := os.WriteFile(filepath.Join(dir, file), value, 0o644); err != nil {
					return fmt.Errorf("making control group: %w", err)
				}
			}
		}
		if err := delegate(root, dir); err != nil {
			return fmt.Errorf("making control group: %w", err)
		}
	}
	return nil
}

// delegate switches the controllers of version 2 on for dir and its children; with version 1 there is nothing to do.
func delegate(root, dir string) error {
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, parent := range []string{root, dir} {
		for _, c := range strings.Fields(string(controllers)) {
			err := os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+c), 0o644)
			if err != nil && (c == "cpu" || c == "memory" || c == "pids") {
				return err // the kubelet insists on these; the others are a bonus
			}
		}
	}
	return nil
}

// removeCgroup removes the group and all below it. The processes in it are dead, but the kernel may take a moment to
// notice.
func removeCgroup(name string) error {
	v1, v2, err := cgroupRoots()
	if err != nil {
		return err
	}
	for _, root := range append(v1, v2...) {
		dir := filepath.Join(root, name)
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			err = removeEmptyDirs(dir)
			if err == nil || time.Now().After(end) {
				break
			}
		}
		if err != nil {
			return fmt.Errorf("removing control group: %w", err)
		}
	}
	return nil
}

// removeEmptyDirs removes directories from the leaves up. os.RemoveAll would try the files in them, which cannot be
// removed.
func removeEmptyDirs(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeEmptyDirs(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &os.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}
