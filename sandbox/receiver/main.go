// Command receiver is the OTLP receiver of the OpenTelemetry collector, for tests: what a run sends has to be taken by the
// program that will get it, not by a copy of its rules.
//
// It takes nothing, prints the address that it listens at on loopback, and then each batch of spans as a line of JSON, in
// the form of OTLP. It ends with its standard input.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

func main() {
	if err := serve(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "receiver:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	asked := map[string]any{"protocols": map[string]any{"http": map[string]any{"endpoint": address}}}
	if err := confmap.NewFromStringMap(asked).Unmarshal(config); err != nil {
		return fmt.Errorf("configuring the receiver: %w", err)
	}
	receiver, err := factory.CreateTraces(ctx, receivertest.NewNopSettings(component.MustNewType("otlp")), config, printer())
	if err != nil {
		return fmt.Errorf("making the receiver: %w", err)
	}
	if err := receiver.Start(ctx, componenttest.NewNopHost()); err != nil {
		return fmt.Errorf("starting the receiver: %w", err)
	}
	fmt.Println("http://" + address)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return receiver.Shutdown(ctx)
}

// printer takes spans and prints them.
func printer() consumer.Traces {
	c, err := consumer.NewTraces(func(_ context.Context, batch ptrace.Traces) error {
		line, err := (&ptrace.JSONMarshaler{}).MarshalTraces(batch)
		if err == nil {
			fmt.Println(string(line))
		}
		return err
	})
	if err != nil {
		panic(err) // it has a function
	}
	return c
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
