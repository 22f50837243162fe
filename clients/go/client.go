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

// dial makes a client that repeats a call which finds no server, as the service config says. A
// token, if there is one, goes with every call.
func dial(address, token string) (pointsv1.PointsServiceClient, func() error, error) {
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
		return nil, nil, err
	}
	return pointsv1.NewPointsServiceClient(connection), connection.Close, nil
}

type bearer string

func (token bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(token)}, nil
}

// RequireTransportSecurity would refuse to send the token without TLS. Say true in production.
func (bearer) RequireTransportSecurity() bool { return false }
