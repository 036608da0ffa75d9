using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Steps that are recorded and replayed do what steps that are given kernel by kernel do.</summary>
public sealed class TrainingPassTests
{
    private const int Width = 7;
    private const int Classes = 3;

    [SkippableTheory]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Replayed_passes_give_the_bits_of_plain_ones(string key)
    {
        using Device device = TestDevice.Open(key);
        using var replaying = new Run(device, repeatable: true);
        using var plain = new Run(device, repeatable: false);
        for (int step = 0; step < 12; step++)
        {
            int count = step == 7 ? 5 : 20;
            if (step == 9)
            {
                replaying.Evaluate();
                plain.Evaluate();
            }

            (double loss, float[] gradients) = replaying.Step(step, count);
            (double expectedLoss, float[] expected) = plain.Step(step, count);
            Assert.Equal(expectedLoss, loss);
            Assert.Equal(expected, gradients);
        }

        Assert.Equal(0, plain.Replays);

        // Without the first two, which show how much memory passes take, and the one of another size with the one after it.
        Assert.Equal(device.DefaultStream.GainsByReplay ? 8 : 0, replaying.Replays);
    }

    [SkippableTheory]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Replayed_passes_draw_the_random_numbers_of_their_step(string key)
    {
        using Device device = TestDevice.Open(key);
        using var replaying = new Run(device, repeatable: true, new DropoutLayer(0.5f));
        using var plain = new Run(device, repeatable: false, new DropoutLayer(0.5f));
        for (int step = 0; step < 8; step++)
        {
            (double loss, float[] gradients) = replaying.Step(step, 20);
            (double expectedLoss, float[] expected) = plain.Step(step, 20);
            Assert.Equal(expectedLoss, loss);
            Assert.Equal(expected, gradients);
        }

        Assert.Equal(device.DefaultStream.GainsByReplay ? 6 : 0, replaying.Replays);
    }

    [SkippableTheory]
    [InlineData(false, 4)]
    [InlineData(true, 0)]
    public void A_sink_that_keeps_nothing_is_left_out(bool keeps, long replays)
    {
        using Device device = TestDevice.Open(TestDevice.CudaHost);
        using var run = new Run(device, repeatable: true) { Sink = new Sink(keeps) };
        for (int step = 0; step < 6; step++)
        {
            run.Step(step, 20);
        }

        Assert.Equal(replays, run.Replays);
    }

    /// <summary>A network with its batch and a plain gradient step.</summary>
    private sealed class Run : IDisposable
    {
        private readonly DeviceStream _stream;
        private readonly Network _network;
        private readonly Batch _batch;
        private readonly TrainingPass _pass;

        public Run(Device device, bool repeatable, params Module[] more)
        {
            _stream = device.DefaultStream;
            Module[] modules = [new Linear("first", Width, 11), .. more, new ActivationLayer(ActivationKind.Tanh), new Linear("second", 11, Classes)];
            _network = new Network(device, new Sequential(modules), new CrossEntropyLoss(), new PhiloxKey(1, 2));
            _batch = new Batch(_stream, repeatable);
            _pass = new TrainingPass(_stream, _network, _batch);
        }

        public long Replays => _pass.Replays;

        public ITrainingSink? Sink { get; init; }

        public (double Loss, float[] Gradients) Step(int step, int count)
        {
            _network.RandomKey = new PhiloxKey(3, (ulong)step + 100);
            _batch.Refill((ulong)step, count);
            _pass.Run(Sink);
            double loss = _pass.ReadLoss();
            VectorView<float> values = _network.Parameters.Values, gradients = _network.Parameters.Gradients;
            Elementwise.Axpby(_stream, -0.1f, gradients.AsMatrix(1, gradients.Length), 1, values.AsMatrix(1, values.Length));
            var host = new float[gradients.Length];
            _stream.Download(gradients, host);
            return (loss, host);
        }

        public void Evaluate()
        {
            _network.Training = false;
            _batch.Refill(99, Batch.Capacity);
            _batch.Forward(_network);
            _network.Training = true;
        }

        public void Dispose()
        {
            _pass.Dispose();
            _batch.Dispose();
            _network.Dispose();
        }
    }

    private sealed class Batch(DeviceStream stream, bool repeatable) : MiniBatch
    {
        public const int Capacity = 64;

        private readonly Arena _arena = new(stream.Device);
        private MatrixView<float> _inputs;
        private VectorView<int> _labels;
        private int _count;

        public override int Count => _count;

        public override bool IsRepeatable => repeatable;

        public override Targets Targets => Targets.Of(_labels.Slice(0, Count));

        public void Refill(ulong seed, int count)
        {
            if (_inputs.IsEmpty)
            {
                (_inputs, _labels) = (_arena.Matrix<float>(Capacity, Width), _arena.Vector<int>(Capacity));
            }

            _count = count;
            stream.Upload<float>(TestData.Uniform(count * Width, seed), _inputs.RowRange(0, count));
            stream.Upload<int>(TestData.Integers(count, Classes, seed), _labels.Slice(0, count));
        }

        public override void FillForTraining(ReadOnlySpan<int> examples, PhiloxKey key) => throw new NotSupportedException();

        public override void Fill(DataPart part, int start, int count) => throw new NotSupportedException();

        public override Variable Forward(Network network) => network.Forward(_inputs.RowRange(0, Count), TensorShape.Of(Count, Width));

        protected override void Dispose(bool disposing)
        {
            _arena.Dispose();
            base.Dispose(disposing);
        }
    }

    private sealed class Sink(bool keeps) : ITrainingSink
    {
        private bool _ended;

        public bool MayBeLeftOut => _ended && !keeps;

        public void BeginPass(bool mayTake)
        {
        }

        public void EndPass(ParameterSet parameters) => _ended = true;

        public void Inputs(int layer, in LayerRows rows)
        {
        }

        public void OutputGradients(int layer, in LayerRows rows)
        {
        }

        public bool WeightGradient(int layer, MatrixView<float> inputs, MatrixView<float> outputGradients) => false;

        public void FormGradients(ParameterSet parameters)
        {
        }

        public void ScaleGradients(ParameterSet parameters, float factor)
        {
        }
    }
}
