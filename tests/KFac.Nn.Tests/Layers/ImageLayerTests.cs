using KFac.Engine;
using KFac.Kernels;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Layers on images: outputs and gradients against float64, and what convolutions hand over against their gradients.</summary>
public class ImageLayerTests
{
    public static TheoryData<string, string> Cases => DeviceCases.Of(
    [
        "convolution", "convolution without bias", "strided", "dilated", "even kernel", "groups", "shared twice", "max", "max of overlapping windows", "average",
        "batch norm", "ghost batches", "scalars", "shifted relu", "branch scalars", "residual block", "shortcut",
    ]);

    public static TheoryData<string> Convolutions => new("convolution", "convolution without bias", "strided", "dilated", "even kernel", "groups");

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Output_is_that_of_the_equations(string key, string name)
    {
        LayerCase layers = Make(name);
        using Device device = TestDevice.Open(key);
        using var test = new TestNetwork(layers.Root, new SquaredErrorLoss(), device: device);
        Variable output = layers.Run(test);
        double[] expected = layers.Forward(TestData.ToDouble(test.Parameters), TestData.ToDouble(test.Inputs));
        ErrorBound.AssertWithinAndSharp(test.Read(output.Value), expected, Tolerance(expected), name);
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Weight_gradients_are_finite_differences(string key, string name)
    {
        LayerCase layers = Make(name);
        using Device device = TestDevice.Open(key);
        using var test = new TestNetwork(layers.Root, new SquaredErrorLoss(), device: device);
        int width = layers.Run(test).Shape.Columns;
        double[] targets = TestData.ToDouble(test.SetValueTargets());
        test.Network.Backward();
        double[] inputs = TestData.ToDouble(test.Inputs);
        double[] expected = FiniteDifference.Gradient(
            p => MeanLoss(layers.Forward(p, inputs), targets, width), TestData.ToDouble(test.Parameters));
        ErrorBound.AssertWithinAndSharp(test.Gradients(), expected, Tolerance(expected), name);
    }

    /// <summary>∇W of the summed loss is GᵀX̃ over output gradients and patches; seeds are further images.</summary>
    [Theory]
    [MemberData(nameof(Convolutions))]
    public void Captured_images_and_gradients_make_the_weight_gradients(string name)
    {
        LayerCase layers = Make(name);
        using var test = new TestNetwork(layers.Root, new SquaredErrorLoss());
        layers.Run(test);
        test.SetValueTargets();
        var inputs = new ImageCapture(test);
        test.Network.CaptureInputs(inputs);
        Capture gradients = test.CaptureOutputGradients(CurvatureKind.Empirical);
        test.Network.Backward();
        float[] actual = test.Gradients();
        foreach (ParameterBlock block in test.Network.Parameters.Blocks)
        {
            double[] patches = inputs.Patches[block.Layer];
            double[] g = TestData.ToDouble(gradients.RowsOf(block.Layer));
            int width = test.Network.Layers[block.Layer].InputWidth;
            var expected = new double[block.Rows * block.Columns];
            for (int row = 0; row < g.Length / block.Rows; row++)
            {
                for (int i = 0; i < expected.Length; i++)
                {
                    int column = i % block.Columns;
                    double input = column < width ? patches[(row * width) + column] : 1;
                    expected[i] += g[(row * block.Rows) + (i / block.Columns)] * input / test.Network.LossTerms;
                }
            }

            ErrorBound.AssertWithinAndSharp(actual.AsSpan(block.Offset, expected.Length), expected, Tolerance(expected), block.Name);
        }
    }

    /// <summary>Factors under both approximations against patches that are formed, of every group.</summary>
    [Theory]
    [MemberData(nameof(Convolutions))]
    public void Factors_are_those_of_explicit_patches(string name)
    {
        foreach (SharingApproximation approximation in Enum.GetValues<SharingApproximation>())
        {
            LayerCase layers = Make(name);
            using Device device = TestDevice.OpenDefault();
            using var test = new TestNetwork(layers.Root, new SquaredErrorLoss(), device: device);
            layers.Run(test);
            test.SetValueTargets();
            var inputs = new ImageCapture(test);
            test.Network.CaptureInputs(inputs);
            Capture gradients = test.CaptureOutputGradients(CurvatureKind.Empirical);
            using var factors = new Engine.KroneckerFactors(
                device, test.Network, new FactorOptions { Approximation = approximation, Kind = CurvatureKind.Empirical });
            factors.Update(default);
            for (int layer = 0; layer < test.Network.Layers.Count; layer++)
            {
                KroneckerLayer description = test.Network.Layers[layer];
                int examples = layers.Input[0];
                int sharing = inputs.Patches[layer].Length / description.InputWidth / examples;
                double[] a = Factor(Extended(inputs.Patches[layer], description), description.FactorInputWidth, sharing, approximation, isInput: true);
                double[] b = Factor(
                    TestData.ToDouble(gradients.RowsOf(layer)), description.OutputWidth, sharing, approximation, isInput: false);
                ErrorBound.AssertWithinAndSharp(test.Read(factors.Pairs[layer].A), a, Tolerance(a), $"A of {description.Name}, {approximation}");
                ErrorBound.AssertWithinAndSharp(test.Read(factors.Pairs[layer].B), b, Tolerance(b), $"B of {description.Name}, {approximation}");
            }
        }
    }

    [Fact]
    public void Evaluation_uses_running_averages_and_leaves_them_alone()
    {
        var norm = new BatchNormalization("n", 3, momentum: 0.5f);
        using var test = new TestNetwork(new Sequential(norm), new SquaredErrorLoss());
        TensorShape shape = TensorShape.Of(4, 2, 2, 3);
        test.Forward(shape);
        test.Network.Training = false;
        float[] first = test.Read(test.Forward(shape, seed: 5).Value);
        float[] again = test.Read(test.Forward(shape, seed: 5).Value);
        Assert.Equal(first, again);
        test.Network.Training = true;
        Assert.NotEqual(first, test.Read(test.Forward(shape, seed: 5).Value));
    }

    [Fact]
    public void Refuses_shapes_that_do_not_fit()
    {
        using var test = new TestNetwork(
            new Conv2d("c", new Conv2dOptions { InputChannels = 2, OutputChannels = 3 }), new SquaredErrorLoss());
        Assert.Contains("Layer 'c'", Assert.Throws<ArgumentException>(() => test.Forward(TensorShape.Of(2, 4, 4, 3))).Message, StringComparison.Ordinal);
        Assert.Contains("Layer 'c'", Assert.Throws<ArgumentException>(() => test.Forward(TensorShape.Of(2, 2, 4, 2))).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new Conv2d("c", new Conv2dOptions { InputChannels = 3, OutputChannels = 4, Groups = 2 }));
        Assert.Throws<ArgumentException>(() => new MaxPooling(2, padding: 2));
        Assert.Throws<ArgumentException>(() => new BatchNormalization("n", 3, ghostBatch: 0));
        Assert.Throws<ArgumentException>(() => new ScalarAffine("s", multiplier: false, bias: false));
        Assert.Throws<ArgumentException>(() => new ResidualBlock(null, new Linear("a", 2, 2), branchScalars: new ScalarAffine("s")));
    }

    private static LayerCase Make(string name) => name switch
    {
        "convolution" => Convolution(new Conv2dOptions { InputChannels = 2, OutputChannels = 3, Padding = 1 }),
        "convolution without bias" => Convolution(new Conv2dOptions { InputChannels = 2, OutputChannels = 3, Bias = false }),
        "strided" => Convolution(new Conv2dOptions { InputChannels = 2, OutputChannels = 3, Stride = 2, Padding = 1 }),
        "dilated" => Convolution(new Conv2dOptions { InputChannels = 2, OutputChannels = 3, Dilation = 2, Padding = 2 }),
        "even kernel" => Convolution(new Conv2dOptions { InputChannels = 2, OutputChannels = 3, KernelHeight = 2, KernelWidth = 4, Padding = 1, Stride = 2 }),
        "groups" => Convolution(new Conv2dOptions { InputChannels = 4, OutputChannels = 6, Groups = 2, Padding = 1 }),
        "shared twice" => SharedTwice(),
        "max" => Pooled(new MaxPooling(2), (x, g) => PoolingReference.Max(x, 2, g), 2, 2, 0),
        "max of overlapping windows" => Pooled(new MaxPooling(3, 1, 1), (x, g) => PoolingReference.Max(x, 2, g), 3, 1, 1),
        "average" => Pooled(new AveragePooling(3, 2, 1), (x, g) => PoolingReference.Average(x, 2, g), 3, 2, 1),
        "batch norm" => Normalized(null, 3 * 4),
        "ghost batches" => Normalized(2, 2 * 4),
        "scalars" => Scalars(),
        "shifted relu" => Shifted(),
        "branch scalars" => BranchScalars(),
        "residual block" => Residual(shortcut: false),
        _ => Residual(shortcut: true),
    };

    private static LayerCase Convolution(Conv2dOptions o) => new(
        new Conv2d("c", o), TensorShape.Of(2, 5, 6, o.InputChannels), (p, x) => Convolve(x, p, o, 2, 5, 6));

    private static LayerCase SharedTwice()
    {
        var options = new Conv2dOptions { InputChannels = 2, OutputChannels = 2, Padding = 1 };
        var shared = new Conv2d("c", options);
        return new(
            new Sequential(shared, new ActivationLayer(ActivationKind.Tanh), shared),
            TensorShape.Of(2, 4, 4, 2),
            (p, x) => Convolve(NetworkFunctions.Map(Convolve(x, p, options, 2, 4, 4), Math.Tanh), p, options, 2, 4, 4));
    }

    private static LayerCase Pooled(Module pooling, Func<double[], PoolingReference.Geometry, double[]> reference, int window, int stride, int padding)
    {
        var options = new Conv2dOptions { InputChannels = 2, OutputChannels = 3, Padding = 1 };
        var geometry = new PoolingReference.Geometry(3, 6, 5, window, window, stride, padding);
        return new(
            new Sequential(new Conv2d("c", options), pooling),
            TensorShape.Of(2, 6, 5, 2),
            (p, x) => reference(Convolve(x, p, options, 2, 6, 5), geometry));
    }

    private static LayerCase Normalized(int? ghostBatch, int groupRows) => new(
        new Sequential(new Linear("a", 2, 3), new BatchNormalization("n", 3, ghostBatch, epsilon: 0.1f), new Linear("b", 3, 3)),
        TensorShape.Of(3, 2, 2, 2),
        (p, x) =>
        {
            double[] rows = NetworkFunctions.Linear(x, 2, p.AsSpan(0, 9), 3, bias: true);
            double[] normal = BatchNormReference.Forward(rows, p[9..12], p[12..15], groupRows, 0.1f);
            return NetworkFunctions.Linear(normal, 3, p.AsSpan(15), 3, bias: true);
        });

    private static LayerCase Scalars() => new(
        new Sequential(new Linear("a", 2, 3), new ScalarAffine("s", multiplier: true), new ScalarAffine("t"), new Linear("b", 3, 3)),
        TensorShape.Of(3, 2, 2),
        (p, x) =>
        {
            double[] rows = NetworkFunctions.Linear(x, 2, p.AsSpan(0, 9), 3, bias: true);
            return NetworkFunctions.Linear(NetworkFunctions.Map(rows, value => (p[9] * value) + p[10] + p[11]), 3, p.AsSpan(12), 3, bias: true);
        });

    private static LayerCase Shifted() => new(
        new Sequential(new Linear("a", 2, 3), new ShiftedRelu("s", "t"), new Linear("b", 3, 3)),
        TensorShape.Of(3, 2, 2),
        (p, x) =>
        {
            double[] rows = FixupReference.Activate(NetworkFunctions.Linear(x, 2, p.AsSpan(0, 9), 3, bias: true), p[9], p[10]);
            return NetworkFunctions.Linear(rows, 3, p.AsSpan(11), 3, bias: true);
        });

    /// <summary>Two blocks, so that the skip's gradient is a sum; the multiplier comes after the branch's weights.</summary>
    private static LayerCase BranchScalars()
    {
        ResidualBlock Block(string name) => new(
            new ShiftedRelu($"{name}1", $"{name}2"), new Linear(name, 3, 3), scale: 0.5f, branchScalars: new ScalarAffine($"{name}3", multiplier: true));
        return new(
            new Sequential(new Linear("a", 2, 3), Block("b"), Block("c")),
            TensorShape.Of(3, 2, 2),
            (p, x) =>
            {
                double[] rows = NetworkFunctions.Linear(x, 2, p.AsSpan(0, 9), 3, bias: true);
                for (int first = 9; first < p.Length; first += 16)
                {
                    double[] branch = NetworkFunctions.Linear(FixupReference.Activate(rows, p[first], p[first + 1]), 3, p.AsSpan(first + 2, 12), 3, bias: true);
                    rows = FixupReference.Join(rows, branch, p[first + 14], p[first + 15], 0.5);
                }

                return rows;
            });
    }

    private static LayerCase Residual(bool shortcut)
    {
        Module? skip = shortcut ? new Linear("s", 3, 3, bias: false) : null;
        return new(
            new Sequential(
                new Linear("a", 2, 3),
                new ResidualBlock(new ActivationLayer(ActivationKind.Tanh), new Linear("b", 3, 3), skip, 0.5f)),
            TensorShape.Of(3, 2, 2),
            (p, x) =>
            {
                double[] rows = NetworkFunctions.Linear(x, 2, p.AsSpan(0, 9), 3, bias: true);
                double[] entered = NetworkFunctions.Map(rows, Math.Tanh);
                double[] branch = NetworkFunctions.Linear(entered, 3, p.AsSpan(9, 12), 3, bias: true);
                double[] other = shortcut ? NetworkFunctions.Linear(entered, 3, p.AsSpan(21), 3, bias: false) : rows;
                return NetworkFunctions.Add(other, NetworkFunctions.Map(branch, static value => 0.5 * value));
            });
    }

    /// <summary>Group by group, each with its columns.</summary>
    private static double[] Convolve(double[] x, double[] parameters, Conv2dOptions o, int images, int height, int width)
    {
        int inputs = o.InputChannels / o.Groups, outputs = o.OutputChannels / o.Groups;
        var g = new ConvolutionReference.Geometry(
            inputs, height, width, o.KernelHeight, o.KernelWidth, o.Stride, o.Padding, o.Dilation, outputs, o.Bias);
        var y = new double[images * g.OutputHeight * g.OutputWidth * o.OutputChannels];
        int block = outputs * g.WeightColumns;
        for (int group = 0; group < o.Groups; group++)
        {
            double[] columns = [.. x.Where((_, i) => i % o.InputChannels / inputs == group)];
            double[] part = ConvolutionReference.Forward(columns, parameters[(group * block)..((group + 1) * block)], images, g);
            for (int i = 0; i < part.Length; i++)
            {
                y[(i / outputs * o.OutputChannels) + (group * outputs) + (i % outputs)] = part[i];
            }
        }

        return y;
    }

    private static double[] Extended(double[] patches, KroneckerLayer layer) => !layer.HasBias
        ? patches
        : [.. patches.Chunk(layer.InputWidth).SelectMany(static patch => patch.Append(1))];

    /// <summary>numerics.md: A is a mean, over rows or examples; B a sum; reduce takes the mean of inputs and the sum of gradients over an example.</summary>
    private static double[] Factor(double[] rows, int width, int sharing, SharingApproximation approximation, bool isInput)
    {
        if (approximation == SharingApproximation.Reduce)
        {
            rows = NetworkFunctions.Aggregate(rows, sharing, width, isInput ? 1.0 / sharing : 1);
        }

        int count = rows.Length / width;
        var factor = new double[width * width];
        for (int i = 0; i < factor.Length; i++)
        {
            for (int row = 0; row < count; row++)
            {
                factor[i] += rows[(row * width) + (i / width)] * rows[(row * width) + (i % width)] / (isInput ? count : 1);
            }
        }

        return factor;
    }

    private static double MeanLoss(double[] outputs, double[] targets, int width)
    {
        var precision = new double[width * width];
        for (int i = 0; i < width; i++)
        {
            precision[(i * width) + i] = 1;
        }

        double sum = 0;
        for (int i = 0; i < outputs.Length; i += width)
        {
            sum += LossFunctions.SquaredError(outputs.AsSpan(i, width), targets.AsSpan(i, width), precision);
        }

        return sum / (outputs.Length / width);
    }

    private static double[] Tolerance(double[] expected)
    {
        double largest = expected.Max(Math.Abs);
        var tolerance = new double[expected.Length];
        Array.Fill(tolerance, (4 * ErrorBound.Gamma(128) * largest) + (FiniteDifference.RelativeError * largest));
        return tolerance;
    }

    /// <summary>Forms the patches of the images that it is handed.</summary>
    private sealed class ImageCapture(TestNetwork test) : ICaptureSink
    {
        public Dictionary<int, double[]> Patches { get; } = [];

        public void Inputs(int layer, in LayerRows rows)
        {
            ConvolutionShape shape = rows.Convolution!;
            var geometry = new ConvolutionGramReference.Geometry(
                shape.Channels, shape.Height, shape.Width, shape.KernelHeight, shape.KernelWidth, shape.Stride, shape.Padding, shape.Dilation);
            float[] last = test.Read(rows.Rows);
            var planes = new double[last.Length];
            int pixels = shape.Height * shape.Width;
            for (int i = 0; i < last.Length; i++)
            {
                (int pixel, int channel) = (i / shape.Channels, i % shape.Channels);
                planes[(((pixel / pixels * shape.Channels) + channel) * pixels) + (pixel % pixels)] = last[i];
            }

            Patches.Add(layer, ConvolutionGramReference.Patches(planes, rows.Examples, geometry));
        }

        public void OutputGradients(int layer, in LayerRows rows) => throw new NotSupportedException();
    }
}
