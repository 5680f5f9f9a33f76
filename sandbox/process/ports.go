package process

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken below the range from which Linux and macOS pick the local end
// of outgoing connections, so that none of those can sit on a chosen port.
const (
	firstPort = 20000
	lastPort  = 29999
)

// FreePorts returns n different ports on 127.0.0.1 that nothing listens on and
// that are not in taken.
func FreePorts(n int, taken map[int]bool) ([]int, error) {
	var ports []int
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for _, offset := range rand.Perm(lastPort - firstPort + 1) {
		if len(ports) == n {
			return ports, nil
		}
		port := firstPort + offset
		if taken[port] {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		held = append(held, l)
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("finding %d free ports between %d and %d on 127.0.0.1: only %d are free", n, firstPort, lastPort, len(ports))
}
