package main

import (
	"fmt"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// insufficientPoints is what a call that the balance does not cover is refused with.
type insufficientPoints struct {
	balance, required, shortfall int64
}

// readInsufficientPoints reads it from a call's error; ok is false where the error is another.
func readInsufficientPoints(err error) (refusal insufficientPoints, ok bool) {
	info := errorInfo(status.Convert(err))
	if info.GetReason() != "INSUFFICIENT_POINTS" {
		return refusal, false
	}
	for name, field := range map[string]*int64{
		"balance":   &refusal.balance,
		"required":  &refusal.required,
		"shortfall": &refusal.shortfall,
	} {
		if *field, err = strconv.ParseInt(info.GetMetadata()[name], 10, 64); err != nil {
			return refusal, false
		}
	}
	return refusal, true
}

// errorInfo finds why Points refused; nil where the error is none of Points.
func errorInfo(refused *status.Status) *errdetails.ErrorInfo {
	for _, detail := range refused.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "points.v1" {
			return info
		}
	}
	return nil
}

func (r insufficientPoints) String() string {
	return fmt.Sprintf("balance %d, required %d, shortfall %d", r.balance, r.required, r.shortfall)
}
