using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

public class FixupBenchmarks : VectorBenchmarks
{
    private VectorView<float> First => Row.Slice(0, 1);

    private VectorView<float> Second => Row.Slice(1, 1);

    [Benchmark]
    [BytesPerElement(8)]
    public void Activate() => Fixup.Activate(Stream, X, First, Second, Y);

    [Benchmark]
    [BytesPerElement(12)]
    public void ActivateBackward() =>
        Fixup.ActivateBackward(Stream, X, First, Y, Z, 0, Column.Slice(0, 1), Column.Slice(1, 1));

    [Benchmark]
    [BytesPerElement(12)]
    public void Join() => Fixup.Join(Stream, X, Y, First, Second, 0.5f, Z);

    [Benchmark]
    [BytesPerElement(12)]
    public void JoinBackward() =>
        Fixup.JoinBackward(Stream, X, First, 0.5f, Y, Z, 0, Column.Slice(0, 1), Column.Slice(1, 1));
}
