using KFac.Engine;
using KFac.Kernels;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Layers that begin with tokens: outputs and gradients against float64.</summary>
public class TokenLayerTests
{
    private const int Vocabulary = 6;
    private const int Width = 4;

    private static readonly int[] s_tokens = [3, 0, 3, 5, 1, 1, 3, 2, 0, 5];
    private static readonly int[] s_offsets = [0, 4, 5, 5, 10];

    [Fact]
    public void An_embedding_reads_rows_and_adds_gradients_to_them() => Check(
        new Sequential(new TokenEmbedding("e", Vocabulary, Width), new Linear("a", Width, 3)),
        ragged: false,
        width: 3,
        p => NetworkFunctions.Linear(Embed(p), Width, p.AsSpan(Vocabulary * Width), 3, bias: true));

    [Fact]
    public void A_tied_projection_adds_to_the_same_table()
    {
        var embedding = new TokenEmbedding("e", Vocabulary, Width);
        Check(
            new Sequential(embedding, new ActivationLayer(ActivationKind.Tanh), new Linear("a", Width, Width), new TiedProjection(embedding)),
            ragged: false,
            width: Vocabulary,
            p =>
            {
                double[] hidden = NetworkFunctions.Linear(
                    NetworkFunctions.Map(Embed(p), Math.Tanh), Width, p.AsSpan(Vocabulary * Width), Width, bias: true);
                return NetworkFunctions.Linear(hidden, Width, p.AsSpan(0, Vocabulary * Width), Vocabulary, bias: false);
            });
    }

    /// <summary>∇E of the summed loss is what both uses hand over: gradients of the rows looked up, and GᵀX of the projection.</summary>
    [Fact]
    public void Captured_lookups_and_rows_make_the_gradient_of_a_tied_table()
    {
        var embedding = new TokenEmbedding("e", Vocabulary, Width);
        using var test = new TestNetwork(
            new Sequential(embedding, new ActivationLayer(ActivationKind.Tanh), new TiedProjection(embedding)), new SquaredErrorLoss());
        Variable output = test.Network.Forward(test.Tokens(s_tokens, 2));
        test.SetValueTargets();
        Capture inputs = test.CaptureInputs();
        Capture gradients = test.CaptureOutputGradients(CurvatureKind.Empirical);
        Delivery tokens = inputs.Deliveries.Single(delivery => delivery.IsLookup);
        Assert.Equal(s_tokens, tokens.Tokens);
        Assert.Equal((2, 5), (tokens.Examples, tokens.Sharing));
        double[] x = TestData.ToDouble(inputs.Deliveries.Single(delivery => !delivery.IsLookup).Values);
        double[] looked = TestData.ToDouble(gradients.Deliveries.Single(delivery => delivery.IsLookup).Values);
        double[] g = TestData.ToDouble(gradients.Deliveries.Single(delivery => !delivery.IsLookup).Values);
        double[] projected = [.. Enumerable.Range(0, Vocabulary * Width).Select(i =>
            Enumerable.Range(0, s_tokens.Length).Sum(n => g[(n * Vocabulary) + (i / Width)] * x[(n * Width) + (i % Width)]))];
        double[] expected = RowGatherReference.ScatterAdd(looked, Width, s_tokens, 1, projected);
        test.Network.Backward();
        float[] summed = Array.ConvertAll(test.Gradients(), value => value * test.Network.LossTerms);
        ErrorBound.AssertWithinAndSharp(summed, expected, Array.ConvertAll(expected, _ => ErrorBound.Gamma(64) * expected.Max(Math.Abs)), "gradient");
        Assert.True(test.Network.Layers[0].HasDiagonalOutput);
    }

    [Fact]
    public void Positions_of_ragged_sequences_start_again_in_each() => Check(
        new Sequential(new TokenEmbedding("e", Vocabulary, Width), new LearnedPositions("p", 5, Width), new Linear("a", Width, 3)),
        ragged: true,
        width: 3,
        p =>
        {
            double[] rows = Embed(p);
            for (int n = 0; n < s_offsets.Length - 1; n++)
            {
                for (int i = s_offsets[n] * Width; i < s_offsets[n + 1] * Width; i++)
                {
                    rows[i] += p[(Vocabulary * Width) + i - (s_offsets[n] * Width)];
                }
            }

            return NetworkFunctions.Linear(rows, Width, p.AsSpan((Vocabulary + 5) * Width), 3, bias: true);
        });

    [Fact]
    public void Dropout_does_nothing_in_evaluation_and_repeats_with_its_key()
    {
        using var test = new TestNetwork(new Sequential(new Linear("a", 4, 50), new DropoutLayer(0.5f)), new SquaredErrorLoss());
        test.Network.Training = false;
        float[] whole = test.Read(test.Forward(TensorShape.Of(3, 4)).Value);
        test.Network.Training = true;
        float[] first = test.Read(test.Forward(TensorShape.Of(3, 4)).Value);
        test.Network.RandomKey = new PhiloxKey(0, 1);
        float[] second = test.Read(test.Forward(TensorShape.Of(3, 4)).Value);
        test.Network.RandomKey = default;
        Assert.Equal(first, test.Read(test.Forward(TensorShape.Of(3, 4)).Value));
        Assert.NotEqual(first, second);
        Assert.All(first.Zip(whole), pair => Assert.True(pair.First == 0 || pair.First == 2 * pair.Second));
    }

    [Fact]
    public void Bad_inputs_are_refused_by_name()
    {
        using var test = new TestNetwork(
            new Sequential(new TokenEmbedding("tokens", Vocabulary, Width), new LearnedPositions("positions", 5, Width)), new SquaredErrorLoss());
        Assert.Contains("'tokens'", Assert.Throws<ArgumentException>(() => test.Forward(TensorShape.Of(2, 3))).Message, StringComparison.Ordinal);
        TokenSequences tooLong = test.Tokens(new int[12], 2);
        Assert.Contains("'positions'", Assert.Throws<ArgumentException>(() => test.Network.Forward(tooLong)).Message, StringComparison.Ordinal);
        TokenSequences tokens = test.Tokens(new int[4], 2);
        TokenSequences other = test.Tokens(new int[3], 3);
        Assert.Throws<ArgumentException>(() => test.Network.Forward(tokens, other));
        Assert.Throws<ArgumentException>(() => TokenSequences.Uniform(tokens.Tokens, 3));
        Assert.Throws<ArgumentException>(() => test.Tokens(new int[4], 4, s_offsets));
        Assert.Throws<ArgumentException>(() => new DropoutLayer(1));
        Assert.Throws<ArgumentException>(() => new CrossEntropyLoss(1.5f));
    }

    private static double[] Embed(double[] p) => RowGatherReference.Gather(p[..(Vocabulary * Width)], Width, s_tokens);

    private static void Check(Module root, bool ragged, int width, Func<double[], double[]> forward)
    {
        using var test = new TestNetwork(root, new SquaredErrorLoss());
        TokenSequences tokens = ragged ? test.Tokens(s_tokens, s_offsets.Length - 1, s_offsets) : test.Tokens(s_tokens, 2);
        Variable output = test.Network.Forward(tokens);
        TokenChecks.OutputsAndGradients(test, output, width, forward);
    }
}

/// <summary>Compares what a network computed with a float64 function of its parameters.</summary>
internal static class TokenChecks
{
    public static void OutputsAndGradients(TestNetwork test, Variable output, int width, Func<double[], double[]> forward)
    {
        double[] parameters = TestData.ToDouble(test.Parameters);
        double[] expected = forward(parameters);
        ErrorBound.AssertWithinAndSharp(test.Read(output.Value), expected, Tolerance(expected), "outputs");
        double[] targets = TestData.ToDouble(test.SetValueTargets());
        test.Network.Backward();
        double[] gradient = FiniteDifference.Gradient(
            p => forward(p).Zip(targets, static (f, y) => (f - y) * (f - y) / 2).Sum() / (targets.Length / width), parameters);
        ErrorBound.AssertWithinAndSharp(test.Gradients(), gradient, Tolerance(gradient), "gradients");
    }

    /// <summary>As for the other layers: at most 64 roundings on sums with terms a few times the largest result.</summary>
    private static double[] Tolerance(double[] expected)
    {
        double largest = expected.Max(Math.Abs);
        return Array.ConvertAll(expected, _ => (4 * ErrorBound.Gamma(64) * largest) + (FiniteDifference.RelativeError * largest));
    }
}
