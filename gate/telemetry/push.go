package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"github.com/rolloutgate/rolloutgate/gate/report"
)

// job is the label of that name of all that is pushed.
const job = "rolloutgate"

// PushSettings say which Pushgateway gets the metrics of a run, and how to show who asks.
type PushSettings struct {
	URL string // credentials in it are sent as basic authentication
	// Token is for a bearer token; or Username and Password, for basic authentication.
	Token, Username, Password string
	Files                     Certificates
}

// Pusher sends metrics to one Pushgateway.
type Pusher struct {
	address  address
	settings PushSettings
	client   *http.Client
}

// NewPusher checks the settings. It does not connect. Its errors have none of the secrets.
func NewPusher(s PushSettings) (*Pusher, error) {
	a, err := parseAddress(s.URL)
	if err == nil && a.url != a.shown {
		err = errors.New("it has a query, which a Pushgateway does not know")
	}
	if err != nil {
		return nil, err
	}
	if a.user != "" {
		if s.Username != "" {
			return nil, errors.New("there is a user name in it, and another one beside it")
		}
		s.Username, s.Password = a.user, a.password
	}
	if s.Token != "" && s.Username != "" {
		return nil, errors.New("there are a token and a user name, of which only one can be sent")
	}
	client, err := newClient(s.Files)
	return &Pusher{a, s, client}, err
}

// maxGroups is how many workloads of one run a Pushgateway hears of, and atOnce how many at a time.
const (
	maxGroups = 200
	atOnce    = 4
)

// Push adds the metrics to what the Pushgateway has, in a group for each namespace and workload. Series of other names
// stay: a run that fails leaves the time of the last success as it is.
func (p *Pusher) Push(ctx context.Context, metrics []report.Metric) error {
	groups := grouped(metrics)
	left := max(len(groups)-maxGroups, 0)
	errs := make([]error, len(groups)-left)
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i := range errs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = p.pushGroup(ctx, groups[i])
		})
	}
	wg.Wait()
	if left > 0 {
		errs = append(errs, fmt.Errorf("the metrics of %d workloads were not pushed: there are more than %d", left, maxGroups))
	}
	return errors.Join(distinct(errs)...)
}

// distinct leaves out what was said already: a server that is away is away for all workloads.
func distinct(errs []error) []error {
	seen := map[string]bool{}
	return slices.DeleteFunc(errs, func(err error) bool {
		again := err == nil || seen[err.Error()]
		if err != nil {
			seen[err.Error()] = true
		}
		return again
	})
}

// group is what the series of one namespace and workload have in common, and the series without it.
type group struct {
	key      []report.Label
	families []*dto.MetricFamily
}

// isKey tells the labels of a group from those that its series differ in.
func isKey(l report.Label) bool {
	return l.Name == report.LabelCluster || l.Name == report.LabelNamespace || l.Name == report.LabelWorkload
}

// grouped puts the series of each namespace and workload together, in the order in which they come.
func grouped(metrics []report.Metric) []*group {
	var groups []*group
	for _, m := range metrics {
		key := slices.DeleteFunc(slices.Clone(m.Labels), func(l report.Label) bool { return !isKey(l) })
		i := slices.IndexFunc(groups, func(g *group) bool { return slices.Equal(g.key, key) })
		if i < 0 {
			i, groups = len(groups), append(groups, &group{key: key})
		}
		groups[i].add(m)
	}
	return groups
}

func (g *group) add(m report.Metric) {
	series := &dto.Metric{Gauge: &dto.Gauge{Value: proto.Float64(m.Value)}}
	for _, l := range m.Labels {
		if !isKey(l) {
			series.Label = append(series.Label, &dto.LabelPair{Name: proto.String(l.Name), Value: proto.String(l.Value)})
		}
	}
	for _, f := range g.families {
		if f.GetName() == m.Name {
			f.Metric = append(f.Metric, series)
			return
		}
	}
	g.families = append(g.families, &dto.MetricFamily{
		Name: proto.String(m.Name), Help: proto.String(m.Help), Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{series},
	})
}

func (p *Pusher) pushGroup(ctx context.Context, g *group) error {
	to := &answers{client: p.client}
	pusher := push.New(p.address.url, job).Client(to).Header(http.Header{"User-Agent": {"rolloutgate"}}).
		Gatherer(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return g.families, nil }))
	switch {
	case p.settings.Token != "":
		to.authorization = "Bearer " + p.settings.Token
	case p.settings.Username != "":
		pusher.BasicAuth(p.settings.Username, p.settings.Password)
	}
	for _, l := range g.key {
		pusher.Grouping(l.Name, l.Value)
	}
	err := pusher.AddContext(ctx)
	switch {
	case err == nil:
		return nil
	case to.refusal != "":
		return fmt.Errorf("pushing metrics to %s: %s", p.address.shown, to.refusal)
	case context.Cause(ctx) != nil:
		err = context.Cause(ctx)
	}
	return fmt.Errorf("pushing metrics to %s: %w", p.address.shown, why(err))
}

// answers sends requests, and remembers what a server has refused: the library's own words have the whole address of the
// group in them.
type answers struct {
	client        *http.Client
	authorization string
	refusal       string
}

// Do sends one request.
func (a *answers) Do(r *http.Request) (*http.Response, error) {
	if a.authorization != "" {
		r.Header.Set("Authorization", a.authorization)
	}
	response, err := a.client.Do(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		body, _ := io.ReadAll(response.Body) // what there is of it
		response.Body.Close()
		response.Body = io.NopCloser(strings.NewReader(""))
		a.refusal = response.Status
		if said := strings.TrimSpace(text(string(body))); said != "" {
			a.refusal += ": " + said
		}
	}
	return response, nil
}
