package tunnel

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podPort is a pod behind a Service and the port there.
type podPort struct {
	pod  string
	port int32
}

// readyPods lists where a Service sends what comes to its port. An account that may not read the Service itself is
// helped by its EndpointSlices alone, as far as the port is plain from them.
func (c *Client) readyPods(ctx context.Context, s Service) ([]podPort, error) {
	service, err := c.typed.CoreV1().Services(s.Namespace).Get(ctx, s.Name, metav1.GetOptions{})
	switch {
	case isDenied(err):
		service = nil
	case apierrors.IsNotFound(err):
		return nil, &wayError{way: forwardWay, text: oneLine(err.Error()), hint: "check the namespace and the name of the Service"}
	case err != nil:
		return nil, &wayError{way: forwardWay, text: oneLine(err.Error())}
	case service.Spec.Type == corev1.ServiceTypeExternalName:
		return nil, &wayError{way: forwardWay, text: "it is the name of something outside of the cluster", hint: "give the URL of " + service.Spec.ExternalName + " instead of the Service"}
	}
	port, err := portName(service, s.Port)
	if err != nil {
		return nil, err
	}
	list, err := c.typed.DiscoveryV1().EndpointSlices(s.Namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + s.Name})
	if err != nil {
		return nil, &wayError{way: forwardWay, text: oneLine(err.Error()), denied: isDenied(err)}
	}
	var found []podPort
	for _, slice := range list.Items {
		number := portNumber(slice.Ports, port, service == nil)
		for _, e := range slice.Endpoints {
			ready := e.Conditions.Ready == nil || *e.Conditions.Ready
			if number == 0 || !ready || e.TargetRef == nil || e.TargetRef.Kind != "Pod" {
				continue
			}
			if p := (podPort{e.TargetRef.Name, number}); !slices.Contains(found, p) { // once for IPv4 and once for IPv6
				found = append(found, p)
			}
		}
	}
	if len(found) == 0 {
		return nil, &wayError{way: forwardWay, text: "no ready pod stands behind the port " + s.Port}
	}
	return found, nil
}

// portName is what EndpointSlices call a port of the Service, or the port as it is where the Service is not known.
func portName(service *corev1.Service, port string) (string, error) {
	if service == nil {
		return port, nil
	}
	var known []string
	for _, p := range service.Spec.Ports {
		number := strconv.Itoa(int(p.Port))
		if p.Name == port || number == port {
			return p.Name, nil
		}
		if p.Name != "" {
			number += " (" + p.Name + ")"
		}
		known = append(known, number)
	}
	return "", &wayError{
		way: forwardWay, text: fmt.Sprintf("the Service has no port %s", port),
		hint: "its ports are " + strings.Join(known, ", "),
	}
}

// portNumber finds the port of the pods by the name that the Service gave it, or 0. To guess is to take a port by its
// number, or the only one.
func portNumber(ports []discoveryv1.EndpointPort, name string, guess bool) int32 {
	for _, p := range ports {
		if p.Port != nil && p.Name != nil && *p.Name == name {
			return *p.Port
		}
	}
	if !guess {
		return 0
	}
	for _, p := range ports {
		if p.Port != nil && strconv.Itoa(int(*p.Port)) == name {
			return *p.Port
		}
	}
	if len(ports) == 1 && ports[0].Port != nil {
		return *ports[0].Port
	}
	return 0
}
