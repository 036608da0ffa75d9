using KFac.Engine;
using KFac.Kernels;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Normalised weights: outputs and gradients against float64, factors against a plain layer that has the effective weight.</summary>
public class WeightNormalizationTests
{
    private const int Examples = 3;
    private const int Side = 5;

    private static readonly string[] s_cases = ["linear", "linear, learned", "convolution", "convolution, learned", "groups", "groups, learned"];

    public static TheoryData<string, string> Cases => DeviceCases.Of(s_cases);

    public static TheoryData<string> Names => new(s_cases);

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Outputs_and_gradients_are_those_of_the_equations(string key, string name)
    {
        (Module layer, TensorShape input, int outputs, Func<double[], double[], double[]> forward) = Make(name);
        using Device device = TestDevice.Open(key);
        using var test = new TestNetwork(new Sequential(layer, new ActivationLayer(ActivationKind.Tanh)), new SquaredErrorLoss(), device: device);
        Variable output = test.Forward(input);
        double[] x = TestData.ToDouble(test.Inputs), p = TestData.ToDouble(test.Parameters);
        double[] expected = NetworkFunctions.Map(forward(p, x), Math.Tanh);
        ErrorBound.AssertWithinAndSharp(test.Read(output.Value), expected, Tolerance(expected), name);

        double[] targets = TestData.ToDouble(test.SetValueTargets());
        test.Network.Backward();
        expected = FiniteDifference.Gradient(parameters => MeanLoss(NetworkFunctions.Map(forward(parameters, x), Math.Tanh), targets, outputs), p);
        ErrorBound.AssertWithinAndSharp(test.Gradients(), expected, Tolerance(expected), $"gradients of {name}");
    }

    /// <summary>Used twice, a layer's gradients add up.</summary>
    [Theory]
    [InlineData(WeightNormalization.Unit)]
    [InlineData(WeightNormalization.Learned)]
    public void Gradients_of_a_layer_that_is_used_twice_add_up(WeightNormalization normalization)
    {
        var shared = new Linear("a", 3, 3) { Normalization = normalization };
        using var test = new TestNetwork(new Sequential(shared, new ActivationLayer(ActivationKind.Tanh), shared), new SquaredErrorLoss());
        test.Forward(TensorShape.Of(4, 3));
        double[] x = TestData.ToDouble(test.Inputs);
        double[] targets = TestData.ToDouble(test.SetValueTargets());
        test.Network.Backward();
        double[] expected = FiniteDifference.Gradient(
            p =>
            {
                double[] weight = Effective(p, 0, 3, 3, bias: true, normalization == WeightNormalization.Learned);
                double[] hidden = NetworkFunctions.Map(NetworkFunctions.Linear(x, 3, weight, 3, bias: true), Math.Tanh);
                return MeanLoss(NetworkFunctions.Linear(hidden, 3, weight, 3, bias: true), targets, 3);
            },
            TestData.ToDouble(test.Parameters));
        ErrorBound.AssertWithinAndSharp(test.Gradients(), expected, Tolerance(expected), "used twice");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Factors_are_those_of_the_effective_weight(string name)
    {
        foreach (SharingApproximation approximation in Enum.GetValues<SharingApproximation>())
        {
            float[][] normalised = Factors(name, isPlain: false, approximation);
            float[][] plain = Factors(name, isPlain: true, approximation);
            for (int i = 0; i < plain.Length; i++)
            {
                double[] expected = TestData.ToDouble(plain[i]);
                ErrorBound.AssertWithinAndSharp(normalised[i], expected, Tolerance(expected), $"factor {i} of {name}, {approximation}");
            }
        }
    }

    /// <summary>They would make the gradient of the effective weight, which is not the parameter.</summary>
    [Fact]
    public void The_rows_of_weight_gradients_are_not_handed_over()
    {
        using var test = new TestNetwork(
            new Sequential(new Linear("a", 3, 4) { Normalization = WeightNormalization.Unit }, new Linear("b", 4, 3)), new SquaredErrorLoss());
        test.Forward(TensorShape.Of(2, 3));
        test.SetValueTargets();
        var sink = new RowCount();
        test.Network.Backward(sink);
        Assert.Equal([1], sink.Layers);
    }

    [Fact]
    public void Rows_start_at_length_1_or_at_the_length_that_they_were_drawn_with()
    {
        float[] plain = Initial(WeightNormalization.None);
        float[] learned = Initial(WeightNormalization.Learned);
        float[] unit = Initial(WeightNormalization.Unit);
        Assert.Equal(plain, learned[..plain.Length]);
        for (int row = 0; row < 4; row++)
        {
            double length = Math.Sqrt(plain.Skip(row * 6).Take(5).Sum(static v => (double)v * v));
            Assert.Equal(length, learned[24 + row], 1e-6);
            for (int column = 0; column < 5; column++)
            {
                Assert.Equal(plain[(row * 6) + column] / length, unit[(row * 6) + column], 1e-6);
            }
        }
    }

    [Fact]
    public void Weights_of_zeros_are_refused()
    {
        var zero = new Linear("a", 2, 2, initialization: WeightInitialization.Zero) { Normalization = WeightNormalization.Unit };
        using Device device = TestDevice.OpenDefault();
        Assert.Contains("'a'", Assert.Throws<ArgumentException>(() => new Network(device, zero, new SquaredErrorLoss(), default)).Message, StringComparison.Ordinal);
        ResidualNetworkOptions fixup = ResidualNetworkOptions.WideResNet(new ImageSize(8, 8, 3), 10, 2, 1);
        Assert.Throws<ArgumentException>(() => (fixup with { WeightNormalization = WeightNormalization.Unit }).Validate());
    }

    [Theory]
    [InlineData("resnet", SharingApproximation.Expand)]
    [InlineData("resnet", SharingApproximation.Reduce)]
    [InlineData("vgg", SharingApproximation.Expand)]
    [InlineData("vgg", SharingApproximation.Reduce)]
    public void A_network_of_normalised_weights_learns_with_kfac(string name, SharingApproximation approximation)
    {
        var image = new ImageSize(8, 8, 2);
        Module model = name == "resnet"
            ? ResidualNetwork.Build(ResidualNetworkOptions.ResNet(image, 3, 1, ghostBatch: 4) with { WeightNormalization = WeightNormalization.Unit })
            : Vgg.Build(new VggOptions { Image = image, Classes = 3, Stages = [[4], [6]], WeightNormalization = WeightNormalization.Learned });
        using Device device = TestDevice.OpenDefault();
        using var test = new TestNetwork(model, new CrossEntropyLoss(), scale: 0.3f, device: device);
        using var optimizer = new KfacOptimizer(device, test.Network, test.Network.Parameters, new KfacOptions { Approximation = approximation, Damping = 0.1 });
        double first = 0;
        for (int step = 0; step < 15; step++)
        {
            test.Forward(TensorShape.Of(8, 8, 8, 2));
            test.SetLabelTargets();
            first = step == 0 ? test.Network.MeanLoss() : first;
            test.Network.Backward(optimizer.TrainingPassSink);
            optimizer.Step(test.Network, test.Network.Parameters, 0.1);
        }

        Assert.True(test.Network.MeanLoss() < 0.8 * first, $"The loss went from {first} to {test.Network.MeanLoss()}.");
    }

    private static float[][] Factors(string name, bool isPlain, SharingApproximation approximation)
    {
        (Module layer, TensorShape input, _, _) = Make(name, isPlain);
        using Device device = TestDevice.OpenDefault();
        using var test = new TestNetwork(new Sequential(layer, new ActivationLayer(ActivationKind.Tanh)), new SquaredErrorLoss(), device: device);
        if (isPlain)
        {
            using var other = new TestNetwork(Make(name).Layer, new SquaredErrorLoss(), device: device);
            float[] weights = [.. Weights(name, TestData.ToDouble(other.Parameters)).SelectMany(static block => block).Select(static w => (float)w)];
            test.Stream.Upload<float>(weights, test.Network.Parameters.Values);
        }

        test.Forward(input);
        test.SetValueTargets();
        using var factors = new Engine.KroneckerFactors(
            device, test.Network, new FactorOptions { Approximation = approximation, Kind = CurvatureKind.Exact });
        factors.Update(default);
        return [.. factors.Pairs.ToArray().SelectMany<KroneckerPair, float[]>(pair => [test.Read(pair.A), test.Read(pair.B)])];
    }

    private static float[] Initial(WeightNormalization normalization)
    {
        using Device device = TestDevice.OpenDefault();
        using var network = new Network(device, new Linear("a", 5, 4) { Normalization = normalization }, new SquaredErrorLoss(), new PhiloxKey(3, 4));
        var values = new float[network.Parameters.Values.Length];
        device.DefaultStream.Download(network.Parameters.Values, values);
        return values;
    }

    private static (Module Layer, TensorShape Input, int Outputs, Func<double[], double[], double[]> Forward) Make(string name, bool isPlain = false)
    {
        WeightNormalization normalization = isPlain
            ? WeightNormalization.None
            : name.EndsWith("learned", StringComparison.Ordinal) ? WeightNormalization.Learned : WeightNormalization.Unit;
        if (name.StartsWith("linear", StringComparison.Ordinal))
        {
            return (
                new Linear("a", 4, 3) { Normalization = normalization },
                TensorShape.Of(2, 3, 4),
                3,
                (p, x) => NetworkFunctions.Linear(x, 4, Weights(name, p)[0], 3, bias: true));
        }

        int groups = GroupsOf(name);
        var options = new Conv2dOptions
        {
            InputChannels = 4,
            OutputChannels = 2 * groups,
            Groups = groups,
            Padding = 1,
            Bias = groups > 1,
            Normalization = normalization,
        };
        return (new Conv2d("c", options), TensorShape.Of(Examples, Side, Side, 4), 2 * groups, (p, x) => Convolve(x, Weights(name, p), groups));
    }

    private static int GroupsOf(string name) => name.StartsWith("groups", StringComparison.Ordinal) ? 2 : 1;

    /// <summary>The effective weights of a case's layer, group by group.</summary>
    private static double[][] Weights(string name, double[] p)
    {
        bool learned = name.EndsWith("learned", StringComparison.Ordinal);
        if (name.StartsWith("linear", StringComparison.Ordinal))
        {
            return [Effective(p, 0, 3, 4, bias: true, learned)];
        }

        int groups = GroupsOf(name);
        int inputs = 4 / groups * 9;
        bool bias = groups > 1;
        int block = (2 * (inputs + (bias ? 1 : 0))) + (learned ? 2 : 0);
        return [.. Enumerable.Range(0, groups).Select(group => Effective(p, group * block, 2, inputs, bias, learned))];
    }

    /// <summary>Rows of length 1 or g, the bias as it is; g follows the block.</summary>
    private static double[] Effective(double[] p, int start, int outputs, int inputs, bool bias, bool learned)
    {
        int columns = inputs + (bias ? 1 : 0);
        double[] block = p[start..(start + (outputs * columns))];
        double[] directions = [.. Enumerable.Range(0, outputs * inputs).Select(i => block[(i / inputs * columns) + (i % inputs)])];
        double[]? gain = learned ? p[(start + block.Length)..(start + block.Length + outputs)] : null;
        double[] weight = WeightNormReference.Forward(directions, gain, inputs);
        for (int i = 0; i < weight.Length; i++)
        {
            block[(i / inputs * columns) + (i % inputs)] = weight[i];
        }

        return block;
    }

    private static double[] Convolve(double[] x, double[][] weights, int groups)
    {
        int inputs = 4 / groups;
        var geometry = new ConvolutionReference.Geometry(inputs, Side, Side, 3, 3, 1, 1, 1, 2, groups > 1);
        var y = new double[Examples * Side * Side * 2 * groups];
        for (int group = 0; group < groups; group++)
        {
            double[] columns = [.. x.Where((_, i) => i % 4 / inputs == group)];
            double[] part = ConvolutionReference.Forward(columns, weights[group], Examples, geometry);
            for (int i = 0; i < part.Length; i++)
            {
                y[(i / 2 * 2 * groups) + (group * 2) + (i % 2)] = part[i];
            }
        }

        return y;
    }

    private static double MeanLoss(double[] outputs, double[] targets, int width)
    {
        double sum = 0;
        for (int i = 0; i < outputs.Length; i++)
        {
            sum += 0.5 * (outputs[i] - targets[i]) * (outputs[i] - targets[i]);
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

    /// <summary>Which layers hand rows over.</summary>
    private sealed class RowCount : ITrainingSink
    {
        public List<int> Layers { get; } = [];

        public void BeginPass(bool mayTake)
        {
        }

        public void EndPass(ParameterSet parameters)
        {
        }

        public bool WeightGradient(int layer, MatrixView<float> inputs, MatrixView<float> outputGradients)
        {
            Layers.Add(layer);
            return false;
        }

        public void FormGradients(ParameterSet parameters) => throw new NotSupportedException();

        public void ScaleGradients(ParameterSet parameters, float factor) => throw new NotSupportedException();

        public void Inputs(int layer, in LayerRows rows) => throw new NotSupportedException();

        public void OutputGradients(int layer, in LayerRows rows)
        {
        }
    }
}
