package main

import (
	"context"
	_ "embed"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pointsv1 "example.com/points/gen/points/v1"
)

//go:generate buf generate
//go:generate cp ../../proto/points/v1/service_config.json gen/

//go:embed gen/service_config.json
var serviceConfig string

// client has the stubs of all services, over one connection.
type client struct {
	points     pointsv1.PointsServiceClient
	policies   pointsv1.PolicyServiceClient
	ledger     pointsv1.LedgerServiceClient
	connection *grpc.ClientConn
}

// dial makes a client that repeats a call which finds no server, as the service config says. A
// token, if there is one, goes with every call.
func dial(address, token string) (client, error) {
	options := []grpc.DialOption{
		// With TLS: credentials.NewTLS(&tls.Config{}).
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(serviceConfig),
	}
	if token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(token)))
	}
	connection, err := grpc.NewClient(address, options...)
	if err != nil {
		return client{}, err
	}
	return client{
		points:     pointsv1.NewPointsServiceClient(connection),
		policies:   pointsv1.NewPolicyServiceClient(connection),
		ledger:     pointsv1.NewLedgerServiceClient(connection),
		connection: connection,
	}, nil
}

type bearer string

func (token bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(token)}, nil
}

// RequireTransportSecurity would refuse to send the token without TLS. Say true in production.
func (bearer) RequireTransportSecurity() bool { return false }
