using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public sealed class TapeTests : IDisposable
{
    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;
    private readonly Tape _tape;

    public TapeTests()
    {
        _arena = new Arena(_device);
        _tape = new Tape(_device.DefaultStream);
    }

    public void Dispose()
    {
        _tape.Dispose();
        _arena.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void Operations_are_reused_after_a_reset()
    {
        Probe first = _tape.Rent<Probe>();
        Probe second = _tape.Rent<Probe>();
        Assert.NotSame(first, second);
        _tape.Reset();
        Assert.Same(first, _tape.Rent<Probe>());
        Assert.Same(second, _tape.Rent<Probe>());
    }

    [Fact]
    public void Variables_of_an_earlier_pass_are_refused()
    {
        Variable variable = _tape.Input(Filled(2, 3), TensorShape.Of(2, 3));
        _tape.Reset();
        Assert.Throws<InvalidOperationException>(() => variable.Value);
        Assert.Throws<InvalidOperationException>(() => default(Variable).Shape);
    }

    [Fact]
    public void Variables_of_another_tape_are_refused()
    {
        using var other = new Tape(_device.DefaultStream);
        Variable variable = other.Input(Filled(2, 3), TensorShape.Of(2, 3));
        Assert.Throws<ArgumentException>(() => _tape.NewSeeds(variable, 1));
    }

    [Fact]
    public void Matrices_that_do_not_fit_their_shape_are_refused()
    {
        Assert.Throws<ArgumentException>(() => _tape.Input(Filled(2, 3), TensorShape.Of(3, 2)));
        Assert.Throws<ArgumentException>(() => _tape.Input(Filled(1, 3), TensorShape.Of(3)));
        SegmentOffsets segments = SegmentOffsets.FromOffsets(_device.DefaultStream, _arena, [0, 1, 4]);
        Assert.Throws<ArgumentException>(() => _tape.Input(Filled(3, 3), TensorShape.Of(3, 3), segments));
        Variable ragged = _tape.Input(Filled(4, 3), TensorShape.Of(4, 3), segments);
        Assert.Equal((2, 0), (ragged.Examples, ragged.Sharing));
    }

    [Fact]
    public void A_value_used_several_times_gets_the_sum_of_its_gradients()
    {
        Probe source = Record(_tape.Input(Filled(2, 3), TensorShape.Of(2, 3)), needsGradient: true);
        Variable twice = new Residual(new Residual(new Sequential())).Forward(_tape, source.Output);
        Assert.Equal(3f, Read(twice.Value)[0]);
        Backward(twice, seeds: 2);
        Assert.Equal([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3], source.Seen!);
    }

    [Fact]
    public void Operations_below_what_is_trained_are_never_asked()
    {
        Probe untrained = Record(_tape.Input(Filled(2, 3), TensorShape.Of(2, 3)), needsGradient: false);
        Probe trained = Record(untrained.Output, needsGradient: true);
        Variable output = new ActivationLayer(ActivationKind.Relu).Forward(_tape, trained.Output);
        Backward(output, seeds: 1);
        Assert.NotNull(trained.Seen);
        Assert.Null(untrained.Seen);
    }

    [Fact]
    public void Gradient_memory_is_given_back_after_every_pass()
    {
        Probe source = Record(_tape.Input(Filled(20, 30), TensorShape.Of(20, 30)), needsGradient: true);
        Variable output = new Residual(new ActivationLayer(ActivationKind.Tanh)).Forward(_tape, source.Output);
        Backward(output, seeds: 4);
        long capacity = _tape.PassMemory.ByteCapacity;
        for (int pass = 0; pass < 5; pass++)
        {
            Backward(output, seeds: 4);
            Assert.Equal(0, _tape.PassMemory.BytesInUse);
        }

        Assert.Equal(capacity, _tape.PassMemory.ByteCapacity);
    }

    [Fact]
    public void Seeds_that_do_not_fit_are_refused_and_the_tape_stays_usable()
    {
        Probe source = Record(_tape.Input(Filled(2, 3), TensorShape.Of(2, 3)), needsGradient: true);
        var curvature = new BackwardOptions(WeightGradients: false, null, 1);
        var training = new BackwardOptions(WeightGradients: true, null, 1);
        Assert.Throws<ArgumentException>(() => _tape.Backward(source.Output, Filled(3, 3), curvature));
        Assert.Throws<ArgumentException>(() => _tape.Backward(source.Output, Filled(2, 2), curvature));
        Assert.Throws<ArgumentException>(() => _tape.Backward(source.Output, Filled(4, 3), training));
        Backward(source.Output, seeds: 3);
        Assert.Equal(18, source.Seen!.Length);
    }

    private Probe Record(Variable input, bool needsGradient)
    {
        Probe probe = _tape.Rent<Probe>();
        _tape.Record(probe, input.Value, input.Shape, null, needsGradient);
        return probe;
    }

    private void Backward(Variable output, int seeds)
    {
        MatrixView<float> seed = _tape.NewSeeds(output, seeds);
        Elementwise.Fill(_tape.Stream, 1f, seed);
        _tape.Backward(output, seed, new BackwardOptions(WeightGradients: false, null, 1));
    }

    private MatrixView<float> Filled(int rows, int columns)
    {
        MatrixView<float> matrix = _arena.Matrix<float>(rows, columns);
        Elementwise.Fill(_tape.Stream, 1f, matrix);
        return matrix;
    }

    private float[] Read(MatrixView<float> view)
    {
        var values = new float[view.Rows * view.Columns];
        _tape.Stream.Download(view, values);
        return values;
    }

    /// <summary>Copies the gradient that reaches it.</summary>
    private sealed class Probe : TapeOperation
    {
        public float[]? Seen { get; private set; }

        protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
        {
            Seen = new float[outputGradient.Rows * outputGradient.Columns];
            pass.Stream.Download(outputGradient, Seen);
        }
    }
}
