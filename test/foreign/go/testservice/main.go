// Prints the descriptors of grpc.testing.TestService, because no Go module contains its proto.
package main

import (
	"log"
	"os"

	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

func main() {
	var set descriptorpb.FileDescriptorSet
	add(&set, grpc_testing.File_grpc_testing_test_proto)
	bytes, err := proto.Marshal(&set)
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(bytes)
}

// Adds a file after its imports (topological order). No file is imported twice here.
func add(set *descriptorpb.FileDescriptorSet, file protoreflect.FileDescriptor) {
	imports := file.Imports()
	for i := range imports.Len() {
		add(set, imports.Get(i).FileDescriptor)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}
