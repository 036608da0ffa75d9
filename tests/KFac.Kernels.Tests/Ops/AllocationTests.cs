using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>Element-wise, loss, reduction, random-number and update operations put nothing on the managed heap.</summary>
public sealed class AllocationTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void SteadyStateAllocatesNothing(int threads)
    {
        using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
        using var arena = new Arena(device);
        var operands = new Operands(device, arena);
        for (int i = 0; i < 50; i++)
        {
            RunAll(device.DefaultStream, operands);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
        {
            RunAll(device.DefaultStream, operands);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static void RunAll(DeviceStream stream, Operands o)
    {
        Elementwise.Fill(stream, 0.5f, o.X);
        Elementwise.Copy(stream, o.X, o.Y);
        Elementwise.Axpby(stream, 1, o.X, 1, o.Y);
        Elementwise.AddRow(stream, o.Columns, o.X);
        Elementwise.KroneckerDivide(stream, o.X, o.Rows, o.Columns, 1, o.Y);
        for (ActivationKind kind = ActivationKind.Relu; kind <= ActivationKind.Gelu; kind++)
        {
            Activation.Forward(stream, kind, o.X, o.Y);
            Activation.Backward(stream, kind, o.X, o.Y, o.Gradient, o.Gradient);
        }

        SoftmaxCrossEntropy.Forward(stream, o.X, o.Labels, o.Y, o.Rows);
        SoftmaxCrossEntropy.Gradient(stream, o.Y, o.Labels, 1, o.Gradient);
        SoftmaxCrossEntropy.Sample(stream, o.Y, o.Labels, default, 0, o.Labels);
        SoftmaxCrossEntropy.HessianRoot(stream, o.Y, o.Labels, 0, o.Gradient);
        BernoulliCrossEntropy.Forward(stream, o.X, o.Gradient, o.Y, o.Rows);
        BernoulliCrossEntropy.Gradient(stream, o.Y, o.X, 1, o.Gradient);
        BernoulliCrossEntropy.Sample(stream, o.Y, o.X, default, 0, o.Gradient);
        BernoulliCrossEntropy.HessianRoot(stream, o.Y, o.X, 0, o.Gradient);
        Attention.Forward(stream, o.Heads, default, 1, o.X, o.Y, o.Gradient, o.Extra, o.Statistics);
        LayerNorm.Forward(stream, o.X, o.Columns, o.Columns, 1e-5f, o.Y, o.Statistics);
        LayerNorm.Backward(stream, o.X, o.Statistics, o.Columns, o.Gradient, o.Gradient);
        LayerNorm.ParameterGradients(stream, o.X, o.Statistics, o.Gradient, 0, o.Columns, o.OtherColumns);
        SparseProduct.Run(stream, 1, o.Sparse, o.X, 0, o.Y);
        DualInverse.Apply(stream, MatrixSide.Left, o.X, 1, o.Dual, 1, o.X.Reshape(o.X.Columns, o.X.Rows), o.Y.Reshape(o.X.Columns, o.X.Rows));
        DualInverse.Gram(stream, o.X, 1, o.Dual);
        Reduction.Sum(stream, o.X, o.Scalar);
        Reduction.Dot(stream, o.X, o.Y, o.Scalar);
        Reduction.Trace(stream, o.Square, o.Scalar);
        Reduction.MaxAsymmetry(stream, o.Square, o.Scalar);
        Reduction.ColumnSum(stream, o.X, 1, 0, o.Columns);
        Reduction.FirstNonFinite(stream, o.X, o.Count);
        Reduction.CountCorrect(stream, o.X, o.Labels, o.Count);
        Philox.Uniform(stream, default, 0, o.X.AsVector());
        Philox.Normal(stream, default, 0, o.X.AsVector());
        ParameterUpdate.Momentum(stream, default, o.X.AsVector(), o.Y.AsVector(), o.Gradient.AsVector());
        ParameterUpdate.Adam(stream, default, o.X.AsVector(), o.Y.AsVector(), o.Extra.AsVector(), o.Gradient.AsVector());
    }

    private sealed class Operands
    {
        public Operands(Device device, Arena arena)
        {
            X = arena.Matrix<float>(200, 150);
            Y = arena.Matrix<float>(200, 150);
            Gradient = arena.Matrix<float>(200, 150);
            Extra = arena.Matrix<float>(200, 150);
            Square = X.Slice(0, 0, 150, 150);
            Dual = arena.Matrix<float>(200, 200);
            Rows = arena.Vector<float>(200);
            Columns = arena.Vector<float>(150);
            Labels = arena.Vector<int>(200);
            OtherColumns = arena.Vector<float>(150);
            Statistics = arena.Matrix<float>(200, LayerNorm.StatisticsColumns);
            Sparse = SparseMatrix.FromEntries(device.DefaultStream, arena, 200, 200, [0, 7, 199], [3, 7, 0]);
            Scalar = arena.Vector<double>(1);
            Count = arena.Vector<long>(1);
            device.DefaultStream.Upload(new int[200], Labels);
            Elementwise.Fill(device.DefaultStream, 0, Gradient);
            Elementwise.Fill(device.DefaultStream, 0, Extra);
            Elementwise.Fill(device.DefaultStream, 1, Columns.AsMatrix(1, 150));
            Elementwise.Fill(device.DefaultStream, 1, Rows.AsMatrix(1, 200));
        }

        public MatrixView<float> X { get; }

        public MatrixView<float> Y { get; }

        public MatrixView<float> Gradient { get; }

        public MatrixView<float> Extra { get; }

        public MatrixView<float> Square { get; }

        public MatrixView<float> Dual { get; }

        public VectorView<float> Rows { get; }

        public VectorView<float> Columns { get; }

        public VectorView<int> Labels { get; }

        /// <summary>Two heads of 75 columns over four sequences of 50 rows.</summary>
        public AttentionShape Heads { get; } = new(4, 2, 50, 50, 75, 75);

        public VectorView<float> OtherColumns { get; }

        public MatrixView<float> Statistics { get; }

        public SparseMatrix Sparse { get; }

        public VectorView<double> Scalar { get; }

        public VectorView<long> Count { get; }
    }
}
