package simulation

import (
	"fmt"
	"strconv"
	"strings"
)

// Traffic of a pod that asks for nothing else.
const (
	defaultRate    = 10 // requests per second
	defaultLatency = 20 // milliseconds, the median
)

// latencyBuckets are the upper bounds, in seconds, of the latency histogram:
// those of Prometheus' client libraries, and one for the very slow.
var latencyBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// servingSince is the annotation, in Unix seconds, that the stages leave on a
// pod which became ready later than it started; see markServing.
const servingSince = prefix + "serving-since"

// The expressions below are CEL over one pod. A counter is a pure function of
// the time the pod has been serving: it starts at zero with the pod, never falls,
// and needs no memory in kwok.

// serviceTime is how many seconds the pod has been serving. A pod without
// special wishes serves from its start. One that flaps counts on while it is not
// ready: its process lives.
func serviceTime() string {
	return fmt.Sprintf(`(%s ? UnixSecond(Now()) - %s`+
		` : pod.status.phase == "Running" && %s in ["ready", "flap"] && !(%s) ? UnixSecond(Now()) - UnixSecond(pod.status.startTime)`+
		` : 0.0)`,
		has(servingSince), number(servingSince, 0), text(prefix+"behavior", "ready"), has(prefix+"ready-after"))
}

func failed() string {
	return whole(requestRate() + " * " + errorRate() + " * " + let("s", serviceTime(), let("a", errorsAfter(), `(s > a ? s - a : 0.0)`)))
}

// succeeded is a sum of terms that only grow. As a difference, rounding could
// make it fall by one, which would look like a restart.
func succeeded() string {
	return whole(requestRate() + " * " + let("s", serviceTime(), let("a", errorsAfter(), let("e", errorRate(),
		`(1.0 - e) * s + e * (s < a ? s : a)`))))
}

// slower is the number of requests in the bucket between two bounds. Latencies
// are spread evenly between half and one and a half of the wanted median.
func slower(than, upTo float64) string {
	share := func(bound float64) string { // of the requests that are at most as slow as bound
		return let("x", decimal(bound*1000)+" / m - 0.5", `(x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x)`)
	}
	return whole(requestRate() + " * " + serviceTime() + " * " +
		let("m", number(prefix+"latency-ms", defaultLatency), share(upTo)+" - "+share(than)))
}

// let evaluates body with a name for a value, which CEL has no word for.
func let(name, value, body string) string {
	return fmt.Sprintf(`([%s].map(%s, %s)[0])`, value, name, body)
}

func requestRate() string { return number(prefix+"requests-per-second", defaultRate) }
func errorRate() string   { return number(prefix+"error-rate", 0) }
func errorsAfter() string { return number(prefix+"error-after-seconds", 0) }

func has(annotation string) string {
	return strconv.Quote(annotation) + " in pod.metadata.annotations"
}

func text(annotation, otherwise string) string {
	return fmt.Sprintf(`(%s ? pod.metadata.annotations[%q] : %q)`, has(annotation), annotation, otherwise)
}

func number(annotation string, otherwise float64) string {
	return fmt.Sprintf(`(%s ? double(pod.metadata.annotations[%q]) : %s)`, has(annotation), annotation, decimal(otherwise))
}

func label(key string) string {
	return fmt.Sprintf(`(%[1]q in pod.metadata.labels ? pod.metadata.labels[%[1]q] : "")`, key)
}

// whole rounds down, as a counter of requests must. The addition keeps binary
// fractions from losing a request that is due.
func whole(expression string) string { return "double(int(" + expression + " + 0.000001))" }

// decimal writes a number so that CEL reads a double.
func decimal(x float64) string {
	digits := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(digits, ".") {
		digits += ".0"
	}
	return digits
}

// podMetrics is what every simulated pod exposes.
func podMetrics() object {
	service := fmt.Sprintf(`(%[1]s != "" ? %[1]s : %[2]s)`, label("app.kubernetes.io/name"), label("app"))
	labels := func(more ...any) []any {
		return append([]any{
			object{"name": "namespace", "value": "pod.metadata.namespace"},
			object{"name": "pod", "value": "pod.metadata.name"},
			object{"name": "node", "value": "node.metadata.name"},
			object{"name": "instance", "value": `pod.status.podIP + ":8080"`},
			object{"name": "job", "value": service},
			object{"name": "service", "value": service},
			object{"name": "app", "value": label("app")},
			object{"name": "pod_template_hash", "value": label("pod-template-hash")},
			object{"name": "controller_revision_hash", "value": label("controller-revision-hash")},
		}, more...)
	}
	requests := func(code, value string) object {
		return object{
			"name": "http_requests_total", "help": "Requests answered, by status code.",
			"kind": "counter", "dimension": "pod", "value": value,
			"labels": labels(object{"name": "code", "value": strconv.Quote(code)}),
		}
	}
	var buckets []any
	lower := 0.0
	for _, upper := range latencyBuckets {
		buckets = append(buckets, object{"le": upper, "value": slower(lower, upper)})
		lower = upper
	}
	return object{
		"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Metric",
		"metadata": object{"name": "pods"},
		"spec": object{
			"path": strings.ReplaceAll(MetricsPath, "NODE", "{nodeName}"),
			"metrics": []any{
				requests("200", succeeded()),
				requests("500", failed()),
				object{
					"name": "http_request_duration_seconds", "help": "Time to answer a request.",
					"kind": "histogram", "dimension": "pod", "buckets": buckets, "labels": labels(),
				},
			},
		},
	}
}
