using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Every convolutional model: parameters at full size, and at a few channels a K-FAC step with expand and with reduce.</summary>
public class ConvolutionalModelTests
{
    private const int Examples = 6;
    private const int Classes = 3;
    private const double LearningRate = 0.1;

    private static readonly ImageSize _cifar = new(32, 32, 3);
    private static readonly ImageSize _small = new(8, 8, 3);

    public static TheoryData<string, SharingApproximation> Cases
    {
        get
        {
            var cases = new TheoryData<string, SharingApproximation>();
            foreach (string name in (string[])["simple", "vgg11", "resnet8", "resnet32", "wrn16 fixup", "wrn16 batch", "wrn16 none", "wrn18"])
            {
                cases.Add(name, SharingApproximation.Expand);
                cases.Add(name, SharingApproximation.Reduce);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_step_moves_every_layer_and_leaves_finite_numbers(string name, SharingApproximation approximation)
    {
        using var run = new Run(name, approximation);
        float[] before = run.ReadParameters();

        // Outputs and ends of branches that start as zeros pass no gradient on before they have moved themselves.
        for (int step = 0; step < 6; step++)
        {
            run.Step();
        }

        float[] after = run.ReadParameters();
        Assert.All(after, static value => Assert.True(float.IsFinite(value)));
        Assert.True(double.IsFinite(run.Network.MeanLoss()));
        Assert.Equal(TensorShape.Of(Examples, Classes), run.Network.Output.Shape);
        Assert.All(
            run.Network.Parameters.Blocks.Where(static block => block.Layer >= 0),
            block => Assert.False(
                before.AsSpan(block.Offset, block.Rows * block.Columns).SequenceEqual(after.AsSpan(block.Offset, block.Rows * block.Columns)),
                $"{block.Name} has not moved."));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_steady_state_step_allocates_no_managed_memory(string name, SharingApproximation approximation)
    {
        using var run = new Run(name, approximation);
        for (int warmUp = 0; warmUp < 3; warmUp++)
        {
            run.Step();
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int step = 0; step < 3; step++)
        {
            run.Step();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>At full size, counted from the shapes of the layers by hand.</summary>
    [Fact]
    public void Parameters_are_as_many_as_counted_by_hand()
    {
        var simple = new SimpleConvolutionalNetworkOptions { Image = new ImageSize(28, 28, 1), Classes = 10 };
        Assert.Equal((32 * 10) + (64 * 289) + (128 * 3137) + (10 * 129), Count(SimpleConvolutionalNetwork.Build(simple)));

        var vgg = new VggOptions { Image = _cifar, Classes = 10 };
        const long vggWeights = 9L * ((3 * 64) + (64 * 128) + (128 * 256) + (256 * 256) + (256 * 512) + (3 * 512 * 512));
        const long vggChannels = 64 + 128 + (2 * 256) + (4 * 512);
        Assert.Equal(vggWeights + vggChannels + 5130, Count(Vgg.Build(vgg)));
        Assert.Equal(vggWeights + (2 * vggChannels) + 5130, Count(Vgg.Build(vgg with { BatchNormalization = true })));

        Assert.Equal(77_850, Count(ResidualNetwork.Build(ResidualNetworkOptions.ResNet(_cifar, 10, blocks: 1))));
        Assert.Equal(466_714, Count(ResidualNetwork.Build(ResidualNetworkOptions.ResNet(_cifar, 10, blocks: 5, ghostBatch: 32))));
        Assert.Equal(11_172_170, Count(ResidualNetwork.Build(ResidualNetworkOptions.WideResNet18(_cifar, 10, width: 1))));
    }

    [Theory]
    [InlineData(ResidualNormalization.Batch, 2_748_890)]
    [InlineData(ResidualNormalization.None, 2_745_274)]
    [InlineData(ResidualNormalization.Fixup, 2_745_274 + (6 * 6))]
    public void A_wide_residual_network_16_4_has_2_7_million_parameters(ResidualNormalization normalization, long parameters) =>
        Assert.Equal(
            parameters, Count(ResidualNetwork.Build(ResidualNetworkOptions.WideResNet(_cifar, 10, blocks: 2, width: 4, normalization))));

    /// <summary>Nothing is allocated on a device for it.</summary>
    private static long Count(Module model)
    {
        var registry = new ParameterRegistry();
        model.Register(registry);
        return registry.Parameters.Sum(static parameter => (long)parameter.Rows * parameter.Columns);
    }

    private static (Module Model, ImageSize Image) Build(string name) => name switch
    {
        "simple" => (SimpleConvolutionalNetwork.Build(
            new SimpleConvolutionalNetworkOptions { Image = _small, Channels = [4, 5], HiddenWidth = 7, Classes = Classes }), _small),
        "vgg11" => (Vgg.Build(new VggOptions { Image = _cifar, Stages = [[3], [4], [4, 5], [5, 6], [6, 6]], BatchNormalization = true, Classes = Classes }), _cifar),
        "resnet8" => Residual(ResidualNetworkOptions.ResNet(_small, Classes, blocks: 1)),
        "resnet32" => Residual(ResidualNetworkOptions.ResNet(_small, Classes, blocks: 5, ghostBatch: 4)),
        "wrn16 fixup" => Residual(ResidualNetworkOptions.WideResNet(_small, Classes, blocks: 2, width: 4)),
        "wrn16 batch" => Residual(ResidualNetworkOptions.WideResNet(_small, Classes, blocks: 2, width: 4, ResidualNormalization.Batch)),
        "wrn16 none" => Residual(ResidualNetworkOptions.WideResNet(_small, Classes, blocks: 2, width: 4, ResidualNormalization.None)),
        "wrn18" => Residual(ResidualNetworkOptions.WideResNet18(_small, Classes, width: 1)),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "Unknown model."),
    };

    /// <summary>The model with 3 channels in its first convolution, 4 in its first stage, and one more each stage.</summary>
    private static (Module Model, ImageSize Image) Residual(ResidualNetworkOptions options) => (ResidualNetwork.Build(options with
    {
        StemChannels = 3,
        Stages = [.. options.Stages.Select(static (stage, i) => stage with { Channels = 4 + i })],
    }), options.Image);

    /// <summary>A small model as it starts, one batch and its optimiser.</summary>
    private sealed class Run : IDisposable
    {
        private readonly Device _device = TestDevice.OpenDefault();
        private readonly Arena _arena;
        private readonly KfacOptimizer _optimizer;
        private readonly MatrixView<float> _images;
        private readonly TensorShape _shape;
        private readonly Targets _targets;

        public Run(string name, SharingApproximation approximation)
        {
            (Module model, ImageSize image) = Build(name);
            _arena = new Arena(_device);
            DeviceStream stream = _device.DefaultStream;
            Network = new Network(_device, model, new CrossEntropyLoss(), new PhiloxKey(1, 2));
            _optimizer = new KfacOptimizer(_device, Network, Network.Parameters, new KfacOptions { Approximation = approximation, Damping = 0.1 });
            _shape = TensorShape.Of(Examples, image.Height, image.Width, image.Channels);
            _images = _arena.Matrix<float>(_shape.Rows, _shape.Columns);
            stream.Upload<float>(TestData.Uniform(_shape.Rows * _shape.Columns, 21), _images);
            _targets = Targets.FromLabels(stream, _arena, TestData.Integers(Examples, Classes, 32), Classes);
        }

        public Network Network { get; }

        public void Step()
        {
            Network.Forward(_images, _shape);
            Network.SetTargets(_targets);
            Network.Backward(_optimizer.TrainingPassSink);
            _optimizer.Step(Network, Network.Parameters, LearningRate);
        }

        public float[] ReadParameters()
        {
            VectorView<float> values = Network.Parameters.Values;
            var host = new float[values.Length];
            _device.DefaultStream.Download(values, host);
            return host;
        }

        public void Dispose()
        {
            _optimizer.Dispose();
            Network.Dispose();
            _arena.Dispose();
            _device.Dispose();
        }
    }
}
